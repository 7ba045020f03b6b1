"""Huber decay: as strong as L2's on small weights, of bounded pull on large ones."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from lpwd.errors import InvalidHyperparameter
from lpwd.rates import quotient, scaled, subtract_scaled_, times
from lpwd.rules.base import DecayRule, Moment
from lpwd.slices import Slice


@dataclass(frozen=True)
class Huber(DecayRule):
    """θ ← prox of k·Huber_δ at θ − ηu (arXiv 2511.14721).

    The proximal step divides by 1 + k where |θ| ≤ (1 + k)δ and subtracts kδ·sign θ elsewhere. It
    never changes a sign. Where in the step it stands is our decision: after the update, as in
    proximal gradient descent.

    Attributes:
        delta: δ > 0, the size of a weight beyond which the pull no longer grows.
    """

    moment: ClassVar[Moment] = Moment.AFTER_UPDATE
    delta: float = 0.1

    def __post_init__(self) -> None:
        if not self.delta > 0.0:
            raise InvalidHyperparameter(f"delta must be > 0, not {self.delta!r}")

    def shrink(self, part: Slice) -> None:
        """θ ← θ − kδ·clamp(θ / ((1 + k)δ), −1, 1), which is both cases in one."""
        decay = part.decay_factor()
        pull = scaled(part.params, times(quotient(decay), 1.0 / self.delta))
        torch._foreach_clamp_min_(pull, -1.0)
        torch._foreach_clamp_max_(pull, 1.0)
        subtract_scaled_(part.params, pull, times(decay, self.delta))
