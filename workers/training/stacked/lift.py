"""Taking a computation from under `torch.vmap` into the open, where it sees all K models."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Stacked = Callable[..., Tensor]
"""Takes K and the arguments, each tensor as (K, …) or, if all models share it, None in `shared`."""


class _Lift(torch.autograd.Function):
    """Has no computation of its own: its rule for `torch.vmap` runs the stacked one.

    What that does is recorded by autograd as usual, since it happens outside of the vmap.
    """

    generate_vmap_rule = False

    @staticmethod
    def forward(stacked: Stacked, *arguments: Any) -> Tensor:
        """Compute for one model alone, as a stack of one."""
        lifted = [a.unsqueeze(0) if isinstance(a, Tensor) else a for a in arguments]
        return stacked(*lifted)[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep nothing: nothing is differentiated here."""

    @staticmethod
    def vmap(
        _info: Any, in_dims: tuple[int | None, ...], stacked: Stacked, *arguments: Any
    ) -> tuple[Tensor, int]:
        """Bring each tensor's axis of models to the front and compute for all models."""
        lifted = [
            argument
            if not isinstance(argument, Tensor)
            else argument.unsqueeze(0)
            if dim is None
            else argument.movedim(dim, 0)
            for argument, dim in zip(arguments, in_dims[1:], strict=True)
        ]
        return stacked(*lifted), 0


def lift(stacked: Stacked, *arguments: Any) -> Tensor:
    """Call `stacked` with every tensor as (K, …), or (1, …) where all models share one.

    Args:
        stacked: Returns (K, …). Tensors reach it with K models along the leading axis; it may be
            differentiated like any function.
        arguments: Its arguments, as they are for one model.
    """
    found: Tensor = _Lift.apply(stacked, *arguments)
    return found


def autocast(*tensors: Tensor | None) -> list[Any]:
    """Return the tensors as `torch.autocast` would hand them to a matrix product.

    It would do so by itself in the forward pass, but not in a gradient that is written by hand.
    """
    kind = next(tensor for tensor in tensors if tensor is not None).device.type
    if not torch.is_autocast_enabled(kind):
        return list(tensors)
    dtype = torch.get_autocast_dtype(kind)
    return [None if tensor is None else tensor.to(dtype) for tensor in tensors]
