"""The forward hook that decays a model before it runs."""

import weakref
from collections.abc import Callable
from typing import Any, Protocol

from torch import nn


class Decaying(Protocol):
    """Anything with a `decay()`."""

    def decay(self) -> None:
        """Decay once, and do nothing until the next step."""


class DecayHook:
    """A forward pre-hook that calls `optimizer.decay()` while the model trains.

    It holds the optimizer weakly and forgets it when copied or pickled: a deep copy of the model
    (an average of weights, a saved checkpoint) is not the optimizer's model and must not decay.
    """

    def __init__(self, optimizer: Decaying | None) -> None:
        self._optimizer: Callable[[], Decaying | None] = (
            weakref.ref(optimizer) if optimizer is not None else _nothing
        )

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> None:  # noqa: ARG002 - a hook's
        """Decay, if the module is in training mode and the optimizer still lives."""
        optimizer = self._optimizer()
        if module.training and optimizer is not None:
            optimizer.decay()

    def __reduce__(self) -> tuple[type["DecayHook"], tuple[None]]:
        return (DecayHook, (None,))


def _nothing() -> None:
    """Stand in for the reference to an optimizer that a copied hook no longer has."""
