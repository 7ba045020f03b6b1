"""Decoupled weight decay: beside the update, at the weights of the last step."""

from typing import ClassVar

from lpwd.rules.base import DecayRule, Moment


class Decoupled(DecayRule):
    """θ ← (1 − k)θ − ηu (SGDW, AdamW; Loshchilov & Hutter 2019, arXiv 1711.05101).

    With `coupled=False`, k = λ: the "independent" decay.
    """

    moment: ClassVar[Moment] = Moment.BEFORE_UPDATE
