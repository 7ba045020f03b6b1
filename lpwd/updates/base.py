"""What a base update is: it turns gradients into a direction, and goes down along it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from lpwd.slices import Slice


class BaseUpdate(ABC):
    """The part of an optimizer that is not decay. Stateless: state lives in the optimizer.

    Attributes:
        has_second_moments: whether `second_moments` may be called.
    """

    has_second_moments: ClassVar[bool] = False

    @abstractmethod
    def check(self, group: Mapping[str, Any]) -> None:
        """Raise `InvalidHyperparameter` where the group's settings make no sense."""

    @abstractmethod
    def advance(self, part: Slice) -> list[Tensor]:
        """Move momentum or moments by the gradients, and return the direction.

        Each returned tensor has the sign of the update u of its parameter, element by element.
        """

    @abstractmethod
    def descend(self, part: Slice) -> None:
        """θ ← θ − ηu along `part.direction`, in place."""

    def second_moments(self, part: Slice) -> list[Tensor]:
        """Return v̂ of each parameter, the bias-corrected running mean of squared gradients."""
        raise NotImplementedError  # asked only where `has_second_moments` says so
