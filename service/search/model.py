"""Records of a search as the API and the pages see it."""

from dataclasses import dataclass
from enum import StrEnum

from workers.search.contracts import PointState


class StudyMode(StrEnum):
    """How a study chooses what to train."""

    GRID = "grid"
    """Every learning rate × weight decay."""
    SEARCH = "search"
    """Points that Optuna proposes."""


TRANSITIONS: dict[PointState, frozenset[PointState]] = {
    PointState.RUNNING: frozenset(set(PointState) - {PointState.RUNNING}),
    PointState.DONE: frozenset(),
    PointState.PRUNED: frozenset(),
    PointState.DIVERGED: frozenset(),
    PointState.FAILED: frozenset(),
}
"""What may follow what. A point whose training was cut off leaves no row: another is proposed."""


@dataclass(frozen=True)
class SearchCounts:
    """How far a search has come, over all its optimizers."""

    points: int
    """Points at most."""
    done: int
    """Trained for their whole budget."""
    pruned: int
    diverged: int
    failed: int
    running: int
    seconds: float
    """Training so far."""
    seconds_at_most: float | None
    """Where the budget is in seconds: of all optimizers together."""

    @property
    def ended(self) -> int:
        """Points that nothing more will come of."""
        return self.done + self.pruned + self.diverged + self.failed
