"""Real-time weight decay: after the update, so that the update decays as well."""

from typing import ClassVar

from lpwd.rules.base import DecayRule, Moment


class RealTime(DecayRule):
    """θ ← (1 − k)(θ − ηu) ("Layer-wise Pre-weight Decay", OpenReview 0GZ1Bq4Tfr).

    For k in (0, 1] the step never ends with a larger ‖θ‖ than the undecayed step would.
    """

    moment: ClassVar[Moment] = Moment.AFTER_UPDATE
