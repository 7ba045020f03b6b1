"""Pre-weight decay: before the forward pass, so that the gradient is taken at decayed weights."""

from typing import ClassVar

from lpwd.rules.base import DecayRule, Moment


class Pre(DecayRule):
    """θ̂ ← (1 − k)θ; g = ∇L(θ̂); θ ← θ̂ − ηu(g) ("Layer-wise Pre-weight Decay", 0GZ1Bq4Tfr).

    With a layer schedule this is LPWD. At a constant η its gradients are taken at the very points
    where real-time decay takes them if that one starts at (1 − k)θ₀.
    """

    moment: ClassVar[Moment] = Moment.BEFORE_FORWARD
