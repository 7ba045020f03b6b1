"""Linear layers: one batched matrix product, gradients in the layout of the weights."""

from typing import Any

import torch
from torch import Tensor

from workers.training.stacked.lift import autocast, lift


class StackedLinear(torch.autograd.Function):
    """y = x Wᵀ + b for x (K, m, i), W (K, o, i) and b (K, o) or None: (K, m, o)."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Compute all K at once."""
        ctx.save_for_backward(inputs, weight)
        ctx.biased = bias is not None
        if bias is None:
            return torch.bmm(inputs, weight.mT)
        return torch.baddbmm(bias.unsqueeze(1), inputs, weight.mT)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, W and b; of W as W lies, not transposed."""
        inputs, weight = ctx.saved_tensors
        return (
            torch.bmm(gradient, weight) if ctx.needs_input_grad[0] else None,
            torch.bmm(gradient.mT, inputs),
            gradient.sum(1) if ctx.biased else None,
        )


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear` under `torch.vmap`."""
    return lift(_stacked, inputs, weight, bias)


def _stacked(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    inputs, weight, bias = autocast(inputs, weight, bias)
    count = max(len(inputs), len(weight))
    shape = inputs.shape[1:-1]
    flat = inputs.reshape(len(inputs), -1, inputs.shape[-1]).expand(count, -1, -1)
    weight = weight.expand(count, -1, -1)
    if bias is not None:
        bias = bias.expand(count, -1)
    outputs: Tensor = StackedLinear.apply(flat, weight, bias)
    return outputs.view(count, *shape, -1)
