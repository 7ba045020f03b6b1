"""Embeddings of K models as one table of all their rows."""

import torch
from torch import Tensor
from torch.nn import functional

from workers.training.stacked.lift import lift


def embedding(
    indices: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,  # noqa: ARG001 - of `max_norm`, which is left to vmap
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor | None:
    """`torch.nn.functional.embedding` under `torch.vmap`; with an option it is left to that."""
    if padding_idx is not None or max_norm is not None or scale_grad_by_freq or sparse:
        return None
    return lift(_stacked, indices, weight)


def _stacked(indices: Tensor, weight: Tensor) -> Tensor:
    """Look up indices (K or 1, …) in weights (K or 1, v, w): (K, …, w)."""
    count, rows = max(len(indices), len(weight)), weight.shape[1]
    weight = weight.expand(count, -1, -1).flatten(0, 1)
    first = torch.arange(count, device=indices.device) * rows
    return functional.embedding(indices + first.view(-1, *(1 for _ in indices.shape[1:])), weight)
