"""Cautious weight decay: only where it agrees with the update."""

from typing import ClassVar

import torch

from lpwd.rates import complement, scale_, scaled
from lpwd.rules.base import DecayRule, Moment
from lpwd.slices import Slice


class Cautious(DecayRule):
    """θ ← θ − k·1[u·θ ≥ 0]·θ − ηu, element by element (arXiv 2510.12402)."""

    moment: ClassVar[Moment] = Moment.BEFORE_UPDATE

    def shrink(self, part: Slice) -> None:
        """θ ← (1 − k·mask)θ, the mask 1 where update and weight do not have opposite signs."""
        mask = list(torch._foreach_mul(part.params, part.direction))
        # sign + 1 is 0, 1 or 2, so that its minimum with 1 is the mask, in foreach functions only.
        torch._foreach_sign_(mask)
        torch._foreach_add_(mask, 1.0)
        torch._foreach_clamp_max_(mask, 1.0)
        scale_(part.params, complement(scaled(mask, part.decay_factor())))
