"""Embeddings of K models as one table of all their rows."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workers.training.stacked.lift import lift


def embedding(indices: Tensor, weight: Tensor, *options: Any, **named: Any) -> Tensor | None:
    """`torch.nn.functional.embedding` under `torch.vmap`; with any option it is left to that."""
    if any(options) or any(named.values()):
        return None
    return lift(_stacked, indices, weight)


def _stacked(indices: Tensor, weight: Tensor) -> Tensor:
    """Look up indices (K or 1, …) in weights (K or 1, v, w): (K, …, w)."""
    count, rows = max(len(indices), len(weight)), weight.shape[1]
    weight = weight.expand(count, -1, -1).flatten(0, 1)
    first = torch.arange(count, device=indices.device) * rows
    return functional.embedding(indices + first.view(-1, *(1 for _ in indices.shape[1:])), weight)
