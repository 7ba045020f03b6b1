"""What a decay rule is: where in the step it acts, and what it does there."""

from collections.abc import Sequence
from enum import Enum
from typing import ClassVar

from torch import Tensor

from lpwd.rates import complement, scale_
from lpwd.slices import Group, Slice
from lpwd.updates.base import BaseUpdate


class Moment(Enum):
    """Where in a training step a decay rule acts."""

    GRADIENT = "on the gradient, before momentum and moments"
    BEFORE_FORWARD = "on the weights, before the forward pass, by `decay()`"
    BEFORE_UPDATE = "on the weights, in `step()` before the update is subtracted"
    AFTER_UPDATE = "on the weights, in `step()` after the update was subtracted"


class DecayRule:
    """One small piece that any base update combines with.

    A rule is stateless: what it remembers of a parameter lives in the optimizer's state, what it
    is told lives in its own (immutable) attributes. To write one, set `moment` and override the
    one method of that moment: `penalise` for `GRADIENT`, `shrink` for all others.

    Attributes:
        moment: where in the step the rule acts.
        couples: whether the step decays by ηλ (and `coupled=False` by λ); False where η plays no
            part in the rule.
        surveys: whether `survey` has anything to look at.
    """

    moment: ClassVar[Moment]
    couples: ClassVar[bool] = True
    surveys: ClassVar[bool] = False

    def prepare(self, group: Group, update: BaseUpdate) -> None:
        """Check, and complete in place, a group as it joins the optimizer.

        Raises:
            LpwdError: the rule cannot work with this group or this base update.
        """

    def survey(self, slices: Sequence[Slice], update: BaseUpdate) -> None:
        """Look at all parameters at once, after the moments moved and before anything decays."""

    def penalise(self, part: Slice) -> list[Tensor]:
        """Return the gradients with the penalty's own gradient added."""
        raise NotImplementedError  # only a rule whose moment is GRADIENT is asked, and must say

    def shrink(self, part: Slice) -> None:
        """Decay the weights of `part` in place: θ ← (1 − k)θ unless the rule says otherwise."""
        scale_(part.params, complement(part.decay_factor()))
