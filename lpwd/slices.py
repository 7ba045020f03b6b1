"""The unit of work of one step: parameters of one group that are computed with together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lpwd.rates import Spread, spread

Group = dict[str, Any]
State = dict[str, Tensor]
# Half a MiB of float32 a tensor list: five such lists fit a common level-2 or level-3 cache.
CACHED_ELEMENTS = 1 << 17


@dataclass(slots=True)
class Slice:
    """Parallel lists over some parameters of one group; one call of a foreach function each.

    Attributes:
        group: the parameter group, read for rates and hyperparameters at every step.
        positions: where each parameter stands in the group, to find what the group says of it.
        params: the parameters (complex ones viewed as real), changed only in place.
        grads: their gradients, sign-flipped under `maximize`; empty before the forward pass.
        states: the optimizer's state of each parameter.
        direction: what `advance` of the base update made of the gradients; its sign is the
            update's sign.
        scale: multiplies the decay factor; a float, a tensor of one element or of shape (K,).
    """

    group: Group
    positions: list[int]
    params: list[Tensor]
    grads: list[Tensor]
    states: list[State]
    direction: list[Tensor]
    scale: float | Tensor = 1.0

    def learning_rate(self) -> Spread:
        """Return η, spread over the parameters."""
        return spread(self.group["lr"], self.params)

    def decay(self) -> Spread:
        """Return λ times the layer factors, spread over the parameters."""
        return spread(self.group["weight_decay"], self.params, self._factors())

    def decay_factor(self) -> Spread:
        """Return k, the decay of one step: ηλ times the layer factor, or without η if uncoupled."""
        rate = self.group["weight_decay"]
        if self.group["coupled"]:
            rate = self.group["lr"] * rate
        if isinstance(self.scale, Tensor) or self.scale != 1.0:
            rate = rate * self.scale
        return spread(rate, self.params, self._factors())

    @property
    def stacked(self) -> bool:
        """Say whether the parameters hold several models along their leading axis."""
        return is_stacked(self.group)

    def select(self, chosen: Sequence[int]) -> "Slice":
        """Return the part with the chosen indices into this slice's lists."""

        def of(values: list[Any]) -> list[Any]:
            return [values[index] for index in chosen] if values else []

        return replace(
            self,
            positions=of(self.positions),
            params=of(self.params),
            grads=of(self.grads),
            states=of(self.states),
            direction=of(self.direction),
        )

    def _factors(self) -> list[float] | None:
        factors = self.group["factors"]
        return None if factors is None else [factors[position] for position in self.positions]


def is_stacked(group: Group) -> bool:
    """Say whether the group's parameters hold several models along their leading axis."""
    rates = (group["lr"], group["weight_decay"])
    return any(isinstance(rate, Tensor) and rate.ndim == 1 for rate in rates)


def decays(group: Group) -> bool:
    """Say whether the group has a decay rate at all; a tensor rate always counts as one.

    Looking into a tensor would make the CPU wait for the GPU at every step.
    """
    rate = group["weight_decay"]
    return isinstance(rate, Tensor) or rate != 0.0


def split(
    group: Group,
    state_of: Callable[[Tensor], State],
    chosen: Callable[[Tensor], bool],
    *,
    with_gradients: bool,
) -> list[Slice]:
    """Cut the group's chosen parameters into slices of one device, dtype and mesh each.

    A foreach function runs as few kernels only over tensors of one device and dtype. On the CPU a
    slice also ends once it is about as large as a cache, so that the several functions of a step
    find its tensors there; each element's arithmetic is the same.
    """
    open_slices: dict[object, Slice] = {}
    sizes: dict[object, int] = {}
    done = []
    for position, param in enumerate(group["params"]):
        if not chosen(param):
            continue
        # Sharded parameters (FSDP2) go together by their mesh, and never with plain ones.
        key = (param.device, param.dtype, getattr(param, "device_mesh", None))
        part = open_slices.get(key)
        if part is None or (param.is_cpu and sizes[key] > CACHED_ELEMENTS):
            part = open_slices[key] = Slice(group, [], [], [], [], [])
            sizes[key] = 0
            done.append(part)
        sizes[key] += param.numel()
        part.positions.append(position)
        part.params.append(real(param))
        if with_gradients:
            part.grads.append(real(param.grad))
        part.states.append(state_of(param))
    return done


def real(tensor: Tensor) -> Tensor:
    """View a complex tensor as pairs of real numbers, and any other as it is."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
