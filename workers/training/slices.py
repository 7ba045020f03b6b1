"""One stack, several optimizers: each steps its own slice of the leading axis."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

import lpwd
from workers.contracts import TrialSpec


@dataclass(frozen=True)
class Member:
    """Trials of one optimizer and one set of hyperparameters: a slice of the stack."""

    optimizer: str
    hyperparameters: Mapping[str, object]
    positions: tuple[int, ...]
    """Where its trials stand in the pack."""


def members(trials: Sequence[TrialSpec]) -> list[Member]:
    """Group a pack by optimizer and hyperparameters, in order of first appearance."""
    found: dict[tuple[str, str], list[int]] = {}
    for position, trial in enumerate(trials):
        settings = json.dumps(dict(trial.hyperparameters), sort_keys=True)
        found.setdefault((trial.optimizer, settings), []).append(position)
    return [
        Member(name, trials[positions[0]].hyperparameters, tuple(positions))
        for (name, _), positions in found.items()
    ]


class OptimizerSlice:
    """An optimizer on ``[start:stop]`` of every stacked parameter.

    Its parameters are views into the stack, so its in-place steps are the stack's; their gradients
    are views into the stack's gradient, set before each step.
    """

    def __init__(
        self,
        member: Member,
        start: int,
        parameters: Mapping[str, Tensor],
        table: lpwd.LayerTable,
        learning_rates: Tensor,
        weight_decays: Tensor,
    ) -> None:
        """Build the catalogue's optimizer on a slice.

        Args:
            member: Which optimizer.
            start: Where its slice begins.
            parameters: Name to (K, …), the whole stack.
            table: Layer table of the unstacked model.
            learning_rates: η of the slice's trials, shape (stop - start,).
            weight_decays: λ likewise.
        """
        self._range = slice(start, start + len(member.positions))
        self._views = {
            name: parameter.detach()[self._range].requires_grad_()
            for name, parameter in parameters.items()
        }
        self._learning_rates = learning_rates
        self._optimizer = lpwd.build(
            member.optimizer,
            table.groups(self._views),
            lr=learning_rates,
            weight_decay=weight_decays,
            **member.hyperparameters,
        )

    def set_factor(self, factor: float) -> None:
        """Set the learning rates to this share of their full values."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rates * factor

    def decay(self) -> None:
        """Decay before the forward pass, where the rule asks for it."""
        self._optimizer.decay()

    def evaluating(self, on: bool) -> None:
        """Move the weights to where the optimizer wants them evaluated, and back.

        Most train and evaluate at the same point; schedule-free ones evaluate at an average.
        """
        if on:
            self._optimizer.eval()
        else:
            self._optimizer.train()

    def step(self, gradients: Mapping[str, Tensor]) -> None:
        """Update the slice, given the gradients (K, …) of the whole stack by name."""
        for name, view in self._views.items():
            view.grad = gradients[name][self._range]
        self._optimizer.step()
        for view in self._views.values():
            view.grad = None
