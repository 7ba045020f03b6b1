"""Attention: it holds no weights, so models are to it what examples are."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import functional

from workers.training.stacked.lift import autocast, lift


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **options: Any,
) -> Tensor | None:
    """`torch.nn.functional.scaled_dot_product_attention` under `torch.vmap`.

    With a mask, or without examples and heads, it is left to `torch.vmap`.
    """
    plain = attn_mask is None and dropout_p == 0.0
    if not plain or not query.ndim == key.ndim == value.ndim == 4:
        return None
    return lift(partial(_stacked, {"is_causal": is_causal, **options}), query, key, value)


def _stacked(settings: Mapping[str, Any], *parts: Tensor) -> Tensor:
    """Take queries, keys and values (K or 1, b, heads, length, size)."""
    count = max(map(len, parts))
    flat = [part.expand(count, *part.shape[1:]).flatten(0, 1) for part in autocast(*parts)]
    found = functional.scaled_dot_product_attention(*flat, **settings)
    return found.view(count, -1, *found.shape[1:])
