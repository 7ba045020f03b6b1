"""One stack, several optimizers: each steps its own slice of the leading axis."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

import lpwd
from lpwd.external import ExternalOptimizer
from lpwd.optimizer import DecayedOptimizer
from workers.contracts import TrialSpec
from workers.training.program import NotTraceableError
from workers.training.programs import PackPrograms
from workers.training.stack import keep
from workers.training.traced_steps import TracedSteps

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Member:
    """Trials of one optimizer and one set of hyperparameters: a slice of the stack."""

    optimizer: str
    hyperparameters: Mapping[str, object]
    positions: tuple[int, ...]
    """Where its trials stand in the pack."""

    @property
    def settings(self) -> tuple[str, str]:
        """What tells it from others: name and hyperparameters, comparable."""
        return self.optimizer, json.dumps(dict(self.hyperparameters), sort_keys=True)

    def only(self, chosen: Sequence[int]) -> "Member":
        """Return the chosen of its trials, by their place among them."""
        return replace(self, positions=tuple(self.positions[index] for index in chosen))


def members(trials: Sequence[TrialSpec]) -> list[Member]:
    """Group a pack by optimizer and hyperparameters, in order of first appearance."""
    found: dict[tuple[str, str], list[int]] = {}
    for position, trial in enumerate(trials):
        one = Member(trial.optimizer, trial.hyperparameters, (position,))
        found.setdefault(one.settings, []).append(position)
    return [
        Member(name, trials[positions[0]].hyperparameters, tuple(positions))
        for (name, _), positions in found.items()
    ]


class OptimizerSlice:
    """An optimizer on ``[start:stop]`` of every stacked parameter.

    Its parameters are views into the stack, so its in-place steps are the stack's; their gradients
    are views into the stack's gradient, set before each step.

    The first step runs as the optimizer is written and brings its state into being. Those after it,
    and after a checkpoint, are traced, where the optimizer is one of the family and never looks at
    a tensor's value.

    Attributes:
        member: Which optimizer, and whose trials.
        range: Its place in the stack.
        whole: Whether that is all of it.
        parameters: Its part of the stacked parameters, or these themselves.
        rate: (k,) learning rates of the next step.
    """

    def __init__(
        self,
        member: Member,
        start: int,
        parameters: Mapping[str, Tensor],
        table: lpwd.LayerTable,
        learning_rates: Tensor,
        weight_decays: Tensor,
        programs: PackPrograms,
    ) -> None:
        """Build the catalogue's optimizer on a slice.

        Args:
            member: Which optimizer.
            start: Where its slice begins.
            parameters: Name to (K, …), the whole stack.
            table: Layer table of the unstacked model.
            learning_rates: η of the slice's trials, shape (stop - start,).
            weight_decays: λ likewise.
            programs: Of the pack, which its steps join.
        """
        self.member = member
        self.range = slice(start, start + len(member.positions))
        self.whole = all(len(one) == len(member.positions) for one in parameters.values())
        self._views = {
            name: parameter.detach()[self.range].requires_grad_()
            for name, parameter in parameters.items()
        }
        self.parameters = list((parameters if self.whole else self._views).values())
        self._learning_rates = learning_rates
        self.rate = learning_rates
        self._optimizer = lpwd.build(
            member.optimizer,
            table.groups(self._views),
            lr=learning_rates,
            weight_decay=weight_decays,
            **member.hyperparameters,
        )
        self._programs = programs
        self._steps: TracedSteps | None = None
        self._begun = False
        self._traceable = isinstance(self._optimizer, DecayedOptimizer)

    def set_factor(self, factor: float) -> None:
        """Set the learning rates to this share of their full values."""
        self.rate = self._learning_rates * factor
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate

    def decay(self) -> None:
        """Decay before the forward pass, where the rule asks for it."""
        if self._steps is None:
            self._optimizer.decay()
        else:
            self._steps.decay(self.rate)

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
        own = self.part([gradients[name] for name in self._views])
        steps = self.traced(own) if self._begun else None
        if steps is not None:
            steps.update(own, self.rate)
            return
        for view, gradient in zip(self._views.values(), own, strict=True):
            view.grad = gradient
        self._optimizer.step()
        self._begun = True
        for view in self._views.values():
            view.grad = None

    def part(self, gradients: list[Tensor]) -> list[Tensor]:
        """Return the slice of the whole stack's gradients (K, …)."""
        return gradients if self.whole else [gradient[self.range] for gradient in gradients]

    def traced(self, gradients: list[Tensor]) -> TracedSteps | None:
        """Return decay and update as programs, once the optimizer has stepped; None if they cannot.

        Args:
            gradients: Like those of the steps to come, in the order of the parameters.
        """
        if self._steps is None and self._traceable:
            assert isinstance(self._optimizer, DecayedOptimizer)  # noqa: S101
            try:
                self._steps = TracedSteps(
                    self._optimizer,
                    list(self._views.values()),
                    gradients,
                    self.rate,
                    self.member.settings,
                    self._programs,
                )
            except NotTraceableError as error:
                self._traceable = False
                logger.info("%s runs as written: %s", self.member.optimizer, error)
        return self._steps

    def state(self, chosen: Sequence[int] | None = None) -> dict[str, Any]:
        """Return what the optimizer remembers, of all its trials or of those chosen."""
        count = len(self.member.positions)
        rows = list(range(count)) if chosen is None else list(chosen)
        if isinstance(self._optimizer, ExternalOptimizer):
            given_up = self._optimizer.diverged
            return {
                "inner": [self._optimizer.inner[row].state_dict() for row in rows],
                "diverged": [place for place, row in enumerate(rows) if row in given_up],
            }
        index = torch.tensor(rows, device=self._learning_rates.device)
        return {
            "state": [
                {
                    key: _part(value, index, count)
                    for key, value in self._optimizer.state.get(view, {}).items()
                }
                for view in self._views.values()
            ]
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state` returned, of an optimizer on as many trials that has stepped."""
        self._begun = True
        if isinstance(self._optimizer, ExternalOptimizer):
            self._optimizer.diverged = set(state["diverged"])
            for inner, own in zip(self._optimizer.inner, state["inner"], strict=True):
                inner.load_state_dict(own)
            return
        for view, own in zip(self._views.values(), state["state"], strict=True):
            if own:
                self._optimizer.state[view] = dict(own)


def _part(value: object, rows: Tensor, count: int) -> object:
    """Return the chosen models' part of a piece of an optimizer's state on `count` of them."""
    if _stacks(value, count):
        assert isinstance(value, Tensor)  # noqa: S101 - for the type checker
        return keep(value, rows)
    return value.clone() if isinstance(value, Tensor) else value


def _stacks(value: object, count: int) -> bool:
    """Tell whether a piece of an optimizer's state is of K models, along its leading axis."""
    return isinstance(value, Tensor) and value.ndim > 0 and len(value) == count
