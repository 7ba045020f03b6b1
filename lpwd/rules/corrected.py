"""Corrected weight decay: falls with the square of a learning-rate schedule."""

import sys
from typing import ClassVar

import torch
from torch import Tensor

from lpwd.errors import MissingLayers
from lpwd.rules.base import DecayRule, Moment
from lpwd.slices import Group, Slice
from lpwd.updates.base import BaseUpdate


class Corrected(DecayRule):
    """k·η/η_max in layers whose output is normalised, k elsewhere (AdamC, SGDC, arXiv 2506.02285).

    η_max is the group's `max_lr`, by default its learning rate as it joins the optimizer. The
    group's `normalised` (one truth value, or one a parameter) says which layers are meant;
    `layer_groups` fills it in.
    """

    moment: ClassVar[Moment] = Moment.BEFORE_UPDATE

    def prepare(self, group: Group, update: BaseUpdate) -> None:  # noqa: ARG002 - any base
        """Require `normalised`, and remember the highest learning rate."""
        if "normalised" not in group:
            raise MissingLayers(
                "the corrected rule needs to know which layers are normalised: pass "
                "layer_groups(model, example_input), or set `normalised` in the group"
            )
        if isinstance(group["normalised"], bool):
            group["normalised"] = [group["normalised"]] * len(group["params"])
        rate = group["lr"]
        group.setdefault("max_lr", rate.clone() if isinstance(rate, Tensor) else rate)

    def shrink(self, part: Slice) -> None:
        """θ ← (1 − k)θ, or (1 − kη/η_max)θ where normalised."""
        flags = [part.group["normalised"][position] for position in part.positions]
        plain = part.select([i for i, flag in enumerate(flags) if not flag])
        normalised = part.select([i for i, flag in enumerate(flags) if flag])
        normalised.scale = _share(part.group["lr"], part.group["max_lr"])
        for one in (plain, normalised):
            super().shrink(one)


def _share(rate: float | Tensor, highest: float | Tensor) -> float | Tensor:
    """Return η / η_max, and 0 where both are 0."""
    if isinstance(highest, Tensor):
        share: Tensor = rate / highest.clamp_min(torch.finfo(highest.dtype).tiny)
        return share
    return rate / max(highest, sys.float_info.min)
