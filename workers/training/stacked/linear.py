"""Linear layers: one matrix product for all models, gradients in the layout of the weights."""

from typing import Any

import torch
from torch import Tensor

from workers.training.stacked.lift import autocast, lift
from workers.training.stacked.products import product


class StackedLinear(torch.autograd.Function):
    """W x + b for columns x (K or 1, i, m), W (K, o, i) and b (K, o) or None: (K, o, m)."""

    @staticmethod
    def forward(ctx: Any, columns: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Compute all K at once."""
        ctx.save_for_backward(columns, weight)
        ctx.biased = bias is not None
        return product(weight, columns, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, W and b."""
        columns, weight = ctx.saved_tensors
        return (
            torch.bmm(weight.mT, gradient) if ctx.needs_input_grad[0] else None,
            torch.bmm(gradient, columns.mT.expand(len(weight), -1, -1)),
            gradient.sum(2) if ctx.biased else None,
        )


class StackedRowsLinear(torch.autograd.Function):
    """x Wᵀ + b for rows x (K, m, i), W (K, o, i) and b (K, o) or None: (K, m, o)."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Compute all K at once."""
        ctx.save_for_backward(rows, weight)
        ctx.biased = bias is not None
        if bias is None:
            return torch.bmm(rows, weight.mT)
        return torch.baddbmm(bias.unsqueeze(1), rows, weight.mT)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, W and b."""
        rows, weight = ctx.saved_tensors
        return (
            torch.bmm(gradient, weight) if ctx.needs_input_grad[0] else None,
            torch.bmm(gradient.mT, rows),
            gradient.sum(1) if ctx.biased else None,
        )


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear` under `torch.vmap`."""
    return lift(_stacked, inputs, weight, bias)


def _stacked(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    inputs, weight, bias = autocast(inputs, weight, bias)
    count = max(len(inputs), len(weight))
    weight = weight.expand(count, -1, -1)
    bias = None if bias is None else bias.expand(count, -1)
    if inputs.ndim == 3:
        # Examples innermost: wide matrices, and what all models share is one large product.
        found: Tensor = StackedLinear.apply(inputs.mT, weight, bias)
        return found.mT
    # Sequences keep their features innermost, as normalisation and attention want them.
    shape = inputs.shape[1:-1]
    rows = inputs.reshape(len(inputs), -1, inputs.shape[-1]).expand(count, -1, -1)
    found = StackedRowsLinear.apply(rows, weight, bias)
    return found.view(count, *shape, -1)
