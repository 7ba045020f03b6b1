"""Scheduled weight decay: divided by the size of the gradients."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from lpwd.errors import InvalidHyperparameter
from lpwd.rules.base import DecayRule, Moment
from lpwd.slices import Group, Slice
from lpwd.updates.base import BaseUpdate


class Scheduled(DecayRule):
    """θ ← (1 − k/(√mean(v̂) + ε))θ − ηu, the mean over all parameters (AdamS, arXiv 2011.11152).

    v̂ is the bias-corrected second moment after this step's gradient, so the base update must have
    one. In a stack each model has its own mean.
    """

    moment: ClassVar[Moment] = Moment.BEFORE_UPDATE
    surveys: ClassVar[bool] = True

    def prepare(self, group: Group, update: BaseUpdate) -> None:  # noqa: ARG002 - any rate
        """Refuse a base update without second moments."""
        if not update.has_second_moments:
            raise InvalidHyperparameter(
                f"the scheduled rule divides by second moments, which {type(update).__name__} "
                "does not have; use it on Adam"
            )

    def survey(self, slices: Sequence[Slice], update: BaseUpdate) -> None:
        """Set each slice's scale to 1 / (√mean(v̂) + ε)."""
        if not slices:
            return
        total: float | Tensor = 0.0
        count = 0
        for part in slices:
            for moment in update.second_moments(part):
                own, size = _sum(moment, part.stacked)
                total = total + own.to(slices[0].params[0].device)
                count += size
        root = torch.as_tensor(total / count).sqrt()
        for part in slices:
            device = part.params[0].device
            part.scale = 1.0 / (root.to(device) + part.group["eps"])


def _sum(moment: Tensor, stacked: bool) -> tuple[Tensor, int]:
    """Return the sum of the elements (one a stacked model) and how many there are of one model."""
    if stacked:
        return moment.reshape(len(moment), -1).sum(1), moment[0].numel()
    total = moment.sum()
    # The sum over a sharded parameter (FSDP2), as a plain tensor that adds to those of others.
    if hasattr(total, "full_tensor"):
        total = total.full_tensor()
    return total, moment.numel()
