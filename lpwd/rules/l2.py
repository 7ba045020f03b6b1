"""L2 regularisation: the penalty's gradient joins the loss's."""

from typing import ClassVar

from torch import Tensor

from lpwd.rates import plus_scaled
from lpwd.rules.base import DecayRule, Moment
from lpwd.slices import Slice


class L2(DecayRule):
    """g ← g + λθ, before momentum and moments: `weight_decay` of `torch.optim.SGD`, `Adam`."""

    moment: ClassVar[Moment] = Moment.GRADIENT
    couples: ClassVar[bool] = False

    def penalise(self, part: Slice) -> list[Tensor]:
        """Return g + λθ."""
        return plus_scaled(part.grads, part.params, part.decay())
