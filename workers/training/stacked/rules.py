"""Which functions have a rule of their own under `torch.vmap`, and how they come to use it."""

from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from workers.training.stacked.attention import attention
from workers.training.stacked.convolution import convolution
from workers.training.stacked.embedding import embedding
from workers.training.stacked.linear import linear
from workers.training.stacked.loss import cross_entropy
from workers.training.stacked.noise import Noise
from workers.training.stacked.normalisation import batch_norm
from workers.training.stacked.pooling import average_to_one
from workers.training.stacked.recurrent import gru

RULES: Mapping[Callable[..., Any], Callable[..., Tensor | tuple[Tensor, ...] | None]] = {
    functional.linear: linear,
    functional.embedding: embedding,
    torch.conv1d: convolution,
    torch.conv2d: convolution,
    torch.gru: gru,
    functional.batch_norm: batch_norm,
    functional.adaptive_avg_pool2d: average_to_one,
    functional.cross_entropy: cross_entropy,
    functional.scaled_dot_product_attention: attention,
}
"""Function to its rule: called with the function's own arguments, it returns the result, or None to
leave the case to `torch.vmap`."""


class Stacking(TorchFunctionMode):
    """Inside it, functions with a rule follow that; noise comes from `noise`.

    Args:
        noise: Where dropout and the like take their chance from.
        lifted: Whether the code runs under `torch.vmap`. Without, only noise is replaced.
    """

    def __init__(self, noise: Noise, *, lifted: bool) -> None:
        super().__init__()
        self._noise = noise
        self._rules = RULES if lifted else {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Follow the rule of `func`, if it has one and the rule takes the case."""
        kwargs = kwargs or {}
        drawn = self._noise.replace(func, args, kwargs)
        if drawn is not None:
            return drawn
        rule = self._rules.get(func)
        if rule is not None:
            found = rule(*args, **kwargs)
            if found is not None:
                return found
        if isinstance(func, FunctionType) and func.__module__ == functional.__name__:
            return self._enter(func, args, kwargs)
        return func(*args, **kwargs)

    def _enter(self, func: FunctionType, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run a function that is written in Python with this mode still on, for those it calls.

        `multi_head_attention_forward` is one: its linear layers and its dropout are ours to see.
        """
        with self:
            # Else it would be handed back to this mode, again and again.
            torch._C._set_skip_next_torch_function(True)  # type: ignore[attr-defined]
            return func(*args, **kwargs)
