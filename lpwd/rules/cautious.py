"""Cautious weight decay: only where it agrees with the update."""

from typing import ClassVar

import torch

from lpwd.rates import subtract_scaled_
from lpwd.rules.base import DecayRule, Moment
from lpwd.slices import Slice


class Cautious(DecayRule):
    """θ ← θ − k·1[u·θ ≥ 0]·θ − ηu, element by element (arXiv 2510.12402)."""

    moment: ClassVar[Moment] = Moment.BEFORE_UPDATE

    def shrink(self, part: Slice) -> None:
        """θ ← θ − k·mask·θ, the mask 1 where update and weight do not have opposite signs."""
        pull = list(torch._foreach_mul(part.params, part.direction))
        for one in pull:
            one.ge_(0.0)  # there is no foreach function for it
        torch._foreach_mul_(pull, part.params)
        subtract_scaled_(part.params, pull, part.decay_factor())
