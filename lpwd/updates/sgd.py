"""Stochastic gradient descent with momentum, to the bit as `torch.optim.SGD` computes it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lpwd.errors import InvalidHyperparameter
from lpwd.rates import subtract_scaled_
from lpwd.slices import Slice
from lpwd.updates.base import BaseUpdate


class SGDUpdate(BaseUpdate):
    """u = b with b ← μb + (1 − τ)g, or u = g + μb under Nesterov, or u = g without momentum.

    As in PyTorch, the first buffer is the first gradient, undampened. State: `momentum_buffer`.
    """

    def check(self, group: Mapping[str, Any]) -> None:
        """Refuse a negative momentum, and Nesterov without momentum or with dampening."""
        if not group["momentum"] >= 0.0:
            raise InvalidHyperparameter(f"momentum must be >= 0, not {group['momentum']!r}")
        if group["nesterov"] and (group["momentum"] <= 0.0 or group["dampening"] != 0.0):
            raise InvalidHyperparameter(
                "nesterov=True needs momentum > 0 and dampening = 0, not "
                f"momentum={group['momentum']!r}, dampening={group['dampening']!r}"
            )

    def advance(self, part: Slice) -> list[Tensor]:
        """Move the momentum buffers and return the direction."""
        momentum = part.group["momentum"]
        if momentum == 0:
            return part.grads
        buffers = move_momentum(
            part.grads, part.states, momentum=momentum, dampening=part.group["dampening"]
        )
        if part.group["nesterov"]:
            return list(torch._foreach_add(part.grads, buffers, alpha=momentum))
        return buffers

    def descend(self, part: Slice) -> None:
        """θ ← θ − ηu."""
        subtract_scaled_(part.params, part.direction, part.learning_rate())


def move_momentum(
    grads: list[Tensor], states: list[dict[str, Tensor]], *, momentum: float, dampening: float
) -> list[Tensor]:
    """Return the buffers b ← μb + (1 − τ)g; a parameter's first buffer is its first gradient."""
    known = [i for i, state in enumerate(states) if state.get("momentum_buffer") is not None]
    if known:
        buffers = [states[i]["momentum_buffer"] for i in known]
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_add_(buffers, [grads[i] for i in known], alpha=1 - dampening)
    if len(known) < len(states):
        for state, grad in zip(states, grads, strict=True):
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = grad.detach().clone()
    return [state["momentum_buffer"] for state in states]
