"""Batch normalisation with running statistics for each of K models."""

import torch
from torch import Tensor

from workers.training.stacked.lift import lift


def batch_norm(
    inputs: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`torch.nn.functional.batch_norm` under `torch.vmap`: inputs (b, c, …) of each model."""
    return lift(_stacked, inputs, running_mean, running_var, weight, bias, training, momentum, eps)


def _stacked(
    inputs: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """Normalise (K, b, c, …) over everything but K and c; move the running statistics (K, c)."""
    dtype = inputs.dtype
    count = max(len(part) for part in (inputs, running_mean, weight) if part is not None)
    inputs = inputs.expand(count, *inputs.shape[1:])
    inputs = inputs.float() if dtype in (torch.bfloat16, torch.float16) else inputs
    over = (1, *range(3, inputs.ndim))
    if training or running_mean is None or running_var is None:
        variance, mean = torch.var_mean(inputs, over, correction=0, keepdim=True)
        if running_mean is not None and running_var is not None:
            size = inputs[0].numel() // inputs.shape[2]
            unbiased = variance.detach() * (size / max(size - 1, 1))
            running_mean.lerp_(mean.detach().reshape(running_mean.shape), momentum)
            running_var.lerp_(unbiased.reshape(running_var.shape), momentum)
    else:
        mean, variance = _spread(running_mean, inputs), _spread(running_var, inputs)
    scale = torch.rsqrt(variance + eps)
    if weight is not None:
        scale = scale * _spread(weight, inputs)
    outputs = (inputs - mean) * scale
    if bias is not None:
        outputs = outputs + _spread(bias, inputs)
    return outputs.to(dtype)


def _spread(statistic: Tensor, inputs: Tensor) -> Tensor:
    """View (K, c) so that it broadcasts against (K, b, c, …)."""
    return statistic.reshape(len(statistic), 1, -1, *(1 for _ in range(inputs.ndim - 3)))
