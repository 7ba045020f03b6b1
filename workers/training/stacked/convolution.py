"""Convolutions as batched matrix products over patches, channels innermost in memory.

A convolution with K models' weights is a grouped convolution to PyTorch, which is slow for the
few channels of small networks. Patches times weights is one `bmm`, at the speed of one.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workers.training.stacked.lift import autocast, lift

Pair = tuple[int, int]


class StackedConvolution(torch.autograd.Function):
    """x (K or 1, b, h, w, c) with W (K, o, kh, kw, c) and b (K, o) or None: (K, b, h', w', o)."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair
    ) -> Tensor:
        """Cut patches, and multiply them with all K weights at once."""
        count, outputs = weight.shape[:2]
        patches, size = _patches(inputs, weight.shape[2:4], stride, padding)
        patches = patches.expand(count, -1, -1)
        flat = weight.reshape(count, outputs, -1)
        ctx.save_for_backward(patches, flat)
        ctx.shapes = inputs.shape, weight.shape, stride, padding, size, bias is not None
        if bias is None:
            found = torch.bmm(patches, flat.mT)
        else:
            found = torch.baddbmm(bias.unsqueeze(1), patches, flat.mT)
        return found.view(count, inputs.shape[1], *size, outputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, W and b."""
        patches, flat = ctx.saved_tensors
        of_inputs, of_weight, stride, padding, size, biased = ctx.shapes
        gradient = gradient.reshape(len(gradient), -1, gradient.shape[-1])
        inputs = None
        if ctx.needs_input_grad[0]:
            spread = torch.bmm(gradient, flat)
            inputs = _add_up(spread, of_inputs, of_weight[2:4], stride, padding, size)
        weight = torch.bmm(gradient.mT, patches).view(of_weight)
        return inputs, weight, gradient.sum(1) if biased else None, None, None


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
    plain = groups == 1 and set(_each(dilation, axes)) == {1} and not isinstance(padding, str)
    if not plain or inputs.ndim != weight.ndim or isinstance(padding, str):
        return None
    return lift(_stacked, inputs, weight, bias, _each(stride, axes), _each(padding, axes))


def _stacked(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
) -> Tensor:
    """Bring (K, b, c, …) into the layout of `StackedConvolution` and back; views, if it can be."""
    inputs, weight, bias = autocast(inputs, weight, bias)
    flat = len(stride) == 1
    if flat:  # a row of pixels
        inputs, weight = inputs.unsqueeze(-2), weight.unsqueeze(-2)
        stride, padding = (1, *stride), (0, *padding)
    count = max(len(inputs), len(weight))
    if len(weight) < count:
        weight = weight.expand(count, -1, -1, -1, -1)
    if bias is not None:
        bias = bias.expand(count, -1)
    outputs: Tensor = StackedConvolution.apply(
        inputs.permute(0, 1, 3, 4, 2), weight.permute(0, 1, 3, 4, 2), bias, stride, padding
    )
    outputs = outputs.permute(0, 1, 4, 2, 3)
    return outputs.squeeze(-2) if flat else outputs


def _patches(
    inputs: Tensor, kernel: Sequence[int], stride: Pair, padding: Pair
) -> tuple[Tensor, Pair]:
    """Cut (K, b, h, w, c) into patches (K, b·h'·w', kh·kw·c); returns (h', w') as well."""
    (up, left), (tall, wide) = padding, kernel
    if up or left:
        inputs = functional.pad(inputs, (0, 0, left, left, up, up))
    windows = inputs.unfold(2, tall, stride[0]).unfold(3, wide, stride[1])
    count, batch, height, width = windows.shape[:4]
    patches = windows.permute(0, 1, 2, 3, 5, 6, 4)
    return patches.reshape(count, batch * height * width, -1), (height, width)


def _add_up(
    patches: Tensor,
    shape: Sequence[int],
    kernel: Sequence[int],
    stride: Pair,
    padding: Pair,
    size: Pair,
) -> Tensor:
    """Add up the gradients of overlapping patches where they were cut: `_patches` in reverse."""
    _, batch, height, width, channels = shape
    (up, left), (down, right) = padding, stride
    patches = patches.view(len(patches), batch, *size, *kernel, channels)
    total = patches.new_zeros(len(patches), batch, height + 2 * up, width + 2 * left, channels)
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            rows = slice(row, row + down * (size[0] - 1) + 1, down)
            columns = slice(column, column + right * (size[1] - 1) + 1, right)
            total[:, :, rows, columns] += patches[:, :, :, :, row, column]
    return total[:, :, up : up + height, left : left + width]


def _each(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """One number an axis."""
    if isinstance(value, int):
        return (value,) * axes
    return tuple(value) if len(value) == axes else tuple(value) * axes
