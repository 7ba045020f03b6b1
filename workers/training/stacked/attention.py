"""Attention: it holds no weights, so models are to it what examples are."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import functional

from workers.training.stacked.lift import autocast, lift


def attention(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor | None:
    """`torch.nn.functional.scaled_dot_product_attention` under `torch.vmap`.

    With a mask or dropout, or without examples and heads, it is left to `torch.vmap`.
    """
    known = {"is_causal", "scale", "enable_gqa"}
    plain = {name for name, setting in options.items() if setting} <= known
    if not plain or not query.ndim == key.ndim == value.ndim == 4:
        return None
    settings = {name: setting for name, setting in options.items() if name in known}
    return lift(partial(_stacked, settings), query, key, value)


def _stacked(settings: Mapping[str, Any], *parts: Tensor) -> Tensor:
    """Take queries, keys and values (K or 1, b, heads, length, size)."""
    count = max(map(len, parts))
    flat = [part.expand(count, *part.shape[1:]).flatten(0, 1) for part in autocast(*parts)]
    found = functional.scaled_dot_product_attention(*flat, **settings)
    return found.view(count, -1, *found.shape[1:])
