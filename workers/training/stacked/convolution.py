"""Convolutions as batched matrix products: weights times patches, examples innermost in memory.

A convolution with K models' weights is a grouped convolution to PyTorch, which is slow for the
few channels of small networks. Weights times patches is one `bmm`, at the speed of one. With the
examples innermost the matrices are wide, patches are copied in long runs, and gradients of weights
come out as the weights lie.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workers.training.stacked.lift import autocast, lift
from workers.training.stacked.products import product

Pair = tuple[int, int]


class StackedConvolution(torch.autograd.Function):
    """x (K or 1, c, h, w, b) with W (K, o, c, kh, kw) and b (K, o) or None: (K, o, h', w', b)."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair
    ) -> Tensor:
        """Cut patches, and multiply all K weights with them at once."""
        patches, size = _patches(inputs, weight.shape[3:], stride, padding)
        ctx.save_for_backward(patches, weight)
        ctx.shape, ctx.stride, ctx.padding = inputs.shape, stride, padding
        ctx.biased = bias is not None
        found = product(weight.flatten(2), patches, bias)
        return found.view(*weight.shape[:2], *size, -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, W and b."""
        patches, weight = ctx.saved_tensors
        inputs = None
        if ctx.needs_input_grad[0]:
            inputs = _transposed(gradient, weight, ctx.shape[2:4], ctx.stride, ctx.padding)
        flat = gradient.flatten(2)
        across = patches.mT.expand(len(weight), -1, -1)
        of_weight = torch.bmm(flat, across).view(weight.shape)
        return inputs, of_weight, flat.sum(2) if ctx.biased else None, None, None


def convolution(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor | None:
    """`torch.conv1d` and `torch.conv2d` under `torch.vmap`.

    Grouped, dilated and unbatched ones, and padding by name, are left to `torch.vmap`.
    """
    axes = weight.ndim - 2
    plain = groups == 1 and set(_each(dilation, axes)) == {1} and inputs.ndim == weight.ndim
    if isinstance(padding, str) or not plain:
        return None
    return lift(_stacked, inputs, weight, bias, _each(stride, axes), _each(padding, axes))


def _stacked(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
) -> Tensor:
    """Bring (K, b, c, …) into the layout of `StackedConvolution` and back."""
    inputs, weight, bias = autocast(inputs, weight, bias)
    flat = len(stride) == 1
    if flat:  # a row of pixels
        inputs, weight = inputs.unsqueeze(-2), weight.unsqueeze(-2)
        stride, padding = (1, *stride), (0, *padding)
    count = max(len(inputs), len(weight))
    weight = weight.expand(count, -1, -1, -1, -1)
    bias = None if bias is None else bias.expand(count, -1)
    found: Tensor = StackedConvolution.apply(inputs.movedim(1, -1), weight, bias, stride, padding)
    outputs = found.movedim(-1, 1)
    return outputs.squeeze(-2) if flat else outputs


def _patches(
    inputs: Tensor, kernel: Sequence[int], stride: Pair, padding: Pair
) -> tuple[Tensor, Pair]:
    """Cut (K, c, h, w, b) into patches (K, c·kh·kw, h'·w'·b); returns (h', w') as well."""
    (up, left), (tall, wide) = padding, kernel
    if up or left:
        inputs = functional.pad(inputs, (0, 0, left, left, up, up))
    windows = inputs.unfold(2, tall, stride[0]).unfold(3, wide, stride[1])
    patches = windows.permute(0, 1, 5, 6, 2, 3, 4)
    height, width = windows.shape[2:4]
    return patches.reshape(len(inputs), inputs.shape[1] * tall * wide, -1), (height, width)


def _transposed(
    gradient: Tensor, weight: Tensor, shape: Sequence[int], stride: Pair, padding: Pair
) -> Tensor:
    """Return the gradient of x, (K, c, h, w, b), given that of y, (K, o, h', w', b).

    x at i·s + r − p meets y at i − u through the weight r + u·s. So a convolution without stride
    over y, with ⌈k/s⌉ weights an axis, gives the s values r of x at each i (Shi et al. 2016 call it
    sub-pixel convolution): again weights times patches, and nothing to scatter.
    """
    kernel = weight.shape[3:]
    reach = [-(-size // step) for size, step in zip(kernel, stride, strict=True)]
    places = [-(-(n + p) // s) for n, p, s in zip(shape, padding, stride, strict=True)]
    down, right = (place - size for place, size in zip(places, gradient.shape[2:4], strict=True))
    gradient = functional.pad(gradient, (0, 0, reach[1] - 1, right, reach[0] - 1, down))
    # Whole planes of y, shifted by u: the last shift first, so that the weights need no reversing.
    shifted = [
        gradient.narrow(2, reach[0] - 1 - row, places[0]).narrow(
            3, reach[1] - 1 - column, places[1]
        )
        for row in range(reach[0])
        for column in range(reach[1])
    ]
    planes = torch.stack(shifted, dim=1).flatten(1, 2).flatten(2)
    below, beside = (r * s - k for r, s, k in zip(reach, stride, kernel, strict=True))
    if below or beside:
        weight = functional.pad(weight, (0, beside, 0, below))
    count, outputs, channels = weight.shape[:3]
    phases = weight.reshape(count, outputs, channels, reach[0], stride[0], reach[1], stride[1])
    across = phases.permute(0, 2, 4, 6, 3, 5, 1).reshape(count, -1, planes.shape[1])
    found = torch.bmm(across, planes)
    found = found.view(count, channels, *stride, *places, -1).permute(0, 1, 4, 2, 5, 3, 6)
    whole = found.flatten(2, 3).flatten(3, 4)
    (up, left), (height, width) = padding, shape
    return whole[:, :, up : up + height, left : left + width]


def _each(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """Return one number an axis."""
    if isinstance(value, int):
        return (value,) * axes
    return tuple(value) if len(value) == axes else tuple(value) * axes
