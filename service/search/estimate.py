"""How long a search still takes, from its pace since its process was started: pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from workers.search.contracts import Search

ENOUGH = 3
"""Points that must have ended for a pace to be told."""


@dataclass(frozen=True)
class Used:
    """What one optimizer has used up of its budget."""

    ended: int = 0
    """Points."""
    seconds: float = 0.0
    """Of training, points in training included."""


def seconds_left(
    search: Search, before: Mapping[str, Used], now: Mapping[str, Used], elapsed: float
) -> float | None:
    """Estimate the time until every budget is used up.

    Points that are stopped early and points that are not keep coming as they came.

    Args:
        search: The budgets.
        before: By label, what was used up when the first point was begun.
        now: What is used up now.
        elapsed: Seconds between the two.

    Returns:
        Seconds, or None while too few points have ended.
    """
    labels = [optimizer.label for optimizer in search.optimizers]
    old = [before.get(label, Used()) for label in labels]
    new = [now.get(label, Used()) for label in labels]
    gained = sum(used.ended for used in new) - sum(used.ended for used in old)
    if gained < ENOUGH or elapsed <= 0:
        return None
    left = elapsed / gained * sum(search.points - used.ended for used in new)
    spent = sum(used.seconds for used in new) - sum(used.seconds for used in old)
    if search.seconds is not None and spent > 0:
        open_ = sum(max(0.0, search.seconds - used.seconds) for used in new)
        left = min(left, elapsed / spent * open_)
    return left
