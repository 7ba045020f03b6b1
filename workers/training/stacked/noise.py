"""Dropout and its kin: noise that a seed fixes, whoever else is in the pack and on any device."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workers.errors import NotStackableError

DROPOUTS = {
    functional.dropout: lambda shape: shape,
    functional.dropout1d: lambda shape: (*shape[:2], *(1 for _ in shape[2:])),
    functional.dropout2d: lambda shape: (*shape[:2], *(1 for _ in shape[2:])),
}
"""Function to the shape of its noise; the channel-wise ones drop whole channels."""


@dataclass(frozen=True)
class NoiseSite:
    """A place in the model that asks for noise, once a forward pass."""

    shape: tuple[int, ...]
    """For one model."""
    keep: float
    """Probability of a one."""

    def draw(self, generator: torch.Generator) -> Tensor:
        """Draw zeros and ones as bytes, on the CPU."""
        return (torch.rand(self.shape, generator=generator) < self.keep).to(torch.uint8)


class Noise:
    """Hands out noise in the order in which the model asks; or notes what it asks for."""

    def __init__(self, given: Sequence[Tensor] | None) -> None:
        """Hand out these masks, of each site's shape; None: note the sites and hand out ones."""
        self._given = None if given is None else iter(given)
        self.sites: list[NoiseSite] = []

    def replace(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Tensor | None:
        """Return what a random function returns, with our noise; None where it is none of ours."""
        if func in DROPOUTS:
            return self._dropout(DROPOUTS[func], *args, **kwargs)
        if func is functional.scaled_dot_product_attention:
            return self._attention(*args, **kwargs)
        if func is torch.Tensor.bernoulli_:
            return self._bernoulli(*args, **kwargs)
        return None

    def _dropout(
        self,
        noise_shape: Callable[[tuple[int, ...]], tuple[int, ...]],
        inputs: Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,  # noqa: ARG002 - it saves no memory here
    ) -> Tensor:
        if not training or p == 0.0:
            return inputs
        mask = self._next(noise_shape(tuple(inputs.shape)), 1.0 - p, inputs)
        return inputs * mask * (1.0 / (1.0 - p) if p < 1.0 else 0.0)

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor | None:
        """Attention with dropout, as its documentation writes it; None where there is none."""
        if dropout_p == 0.0:
            return None
        if enable_gqa:
            raise NotStackableError(
                "attention with dropout and grouped queries has no noise of its own yet; "
                "repeat the keys and values, or leave the dropout out"
            )
        scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
        if is_causal:
            attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        if attn_mask is not None and attn_mask.dtype is torch.bool:
            scores = scores.masked_fill(~attn_mask, -torch.inf)
        elif attn_mask is not None:
            scores = scores + attn_mask
        weights = self._dropout(lambda shape: shape, scores.softmax(-1), dropout_p)
        return weights @ value

    def _bernoulli(self, target: Tensor, p: float = 0.5, **_: Any) -> Tensor:
        return self._next(tuple(target.shape), p, target)

    def _next(self, shape: tuple[int, ...], keep: float, like: Tensor) -> Tensor:
        if self._given is None:
            self.sites.append(NoiseSite(shape, keep))
            return torch.ones(shape, dtype=like.dtype, device=like.device)
        return next(self._given).to(like.dtype)
