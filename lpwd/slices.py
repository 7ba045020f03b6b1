"""The unit of work of one step: parameters that share a group, a device and a dtype."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lpwd.rates import Spread, spread

Group = dict[str, Any]
State = dict[str, Tensor]


@dataclass(slots=True)
class Slice:
    """Parallel lists over some parameters of one group; one call of a foreach function each.

    Attributes:
        group: the parameter group, read for rates and hyperparameters at every step.
        params: the parameters (complex ones viewed as real), changed only in place.
        grads: their gradients, sign-flipped under `maximize`; empty before the forward pass.
        states: the optimizer's state of each parameter.
        factors: multiplier of the decay rate of each parameter; None where all are 1.
        direction: what `advance` of the base update made of the gradients; its sign is the
            update's sign.
    """

    group: Group
    params: list[Tensor]
    grads: list[Tensor]
    states: list[State]
    factors: list[float] | None
    direction: list[Tensor]

    def learning_rate(self) -> Spread:
        """Return η, spread over the parameters."""
        return spread(self.group["lr"], self.params)

    def decay(self) -> Spread:
        """Return λ times the layer factors, spread over the parameters."""
        return spread(self.group["weight_decay"], self.params, self.factors)

    def decay_factor(self) -> Spread:
        """Return k, the decay of one step: ηλ times the layer factor, or without η if uncoupled."""
        rate = self.group["weight_decay"]
        if self.group["coupled"]:
            rate = self.group["lr"] * rate
        return spread(rate, self.params, self.factors)


def decays(group: Group) -> bool:
    """Say whether the group has a decay rate at all; a tensor rate always counts as one.

    Looking into a tensor would make the CPU wait for the GPU at every step.
    """
    rate = group["weight_decay"]
    return isinstance(rate, Tensor) or rate != 0.0


def split(
    group: Group,
    factors: list[float] | None,
    state_of: Callable[[Tensor], State],
    chosen: Callable[[Tensor], bool],
    *,
    with_gradients: bool,
) -> list[Slice]:
    """Cut the group's chosen parameters into slices of one device and one dtype each.

    A foreach function runs as few kernels only over tensors of one device and dtype.
    """
    found: dict[tuple[torch.device, torch.dtype], Slice] = {}
    for index, param in enumerate(group["params"]):
        if not chosen(param):
            continue
        key = (param.device, param.dtype)
        part = found.get(key)
        if part is None:
            part = Slice(group, [], [], [], None if factors is None else [], [])
            found[key] = part
        part.params.append(real(param))
        if with_gradients:
            part.grads.append(real(param.grad))
        part.states.append(state_of(param))
        if factors is not None and part.factors is not None:
            part.factors.append(factors[index])
    return list(found.values())


def real(tensor: Tensor) -> Tensor:
    """View a complex tensor as pairs of real numbers, and any other as it is."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
