"""Records of a search as the API and the pages see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from service.heatmaps.model import MetricView
from workers.search.contracts import Halving, Parameter, PointState, Value


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


@dataclass(frozen=True)
class SearchedPoint:
    """What was tried for one optimizer, and what came of it so far."""

    optimizer: str
    """Its label in the study."""
    number: int
    state: PointState
    parameters: Mapping[str, Value]
    """What was proposed, the two rates included."""
    learning_rate: float
    weight_decay: float
    value: float | None
    """Mean validation score over the seeds after its last epoch; a diverged seed scores chance."""
    test_value: float | None
    """Likewise on the test split; of points trained for their whole budget."""
    seed_scores: tuple[float, ...]
    """Of which `value` is the mean, in the order of the seeds; none while it trains."""
    epochs: int
    """Trained so far."""
    diverged: int
    """Seeds that diverged."""
    reason: str | None
    """Why it diverged or failed."""
    seconds: float
    """Of training; of trials known before, what they took then."""
    device: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class Step:
    """A moment at which the best so far became better, or the last."""

    points: int
    """Points that had ended, stopped ones included."""
    seconds: float
    """Training that these took."""
    value: float


@dataclass(frozen=True)
class Importance:
    """How much of the scores' variance each hyperparameter explains alone (fANOVA)."""

    points: int
    """Points it was told from: those with a final score."""
    shares: tuple[tuple[str, float], ...] = ()
    """Hyperparameter to share in [0, 1], greatest first. None of them where `reason` says why."""
    reason: str | None = None


@dataclass(frozen=True)
class OptimizerSearch:
    """What the search of one optimizer found."""

    optimizer: str
    """Its label in the study."""
    title: str
    entry: str
    """Its name in the catalogue."""
    space: tuple[Parameter, ...]
    best: SearchedPoint | None
    """Chosen on validation, among the points trained for their whole budget."""
    points: tuple[SearchedPoint, ...]
    """In the order in which they were begun."""
    trace: tuple[Step, ...]
    """The best value so far, over points and seconds."""
    importance: Importance

    def count(self, state: PointState) -> int:
        """How many points are in a state."""
        return sum(point.state is state for point in self.points)

    @property
    def ended(self) -> int:
        """Points that nothing more will come of."""
        return len(self.points) - self.count(PointState.RUNNING)

    @property
    def seconds(self) -> float:
        """Training so far."""
        return sum(point.seconds for point in self.points)


@dataclass(frozen=True)
class SearchResults:
    """Everything the page of a search draws."""

    metric: MetricView
    """On validation, which points are chosen on."""
    domain: tuple[float, float] | None
    """Colours shared by all planes: ten points down from the best."""
    optimizers: tuple[OptimizerSearch, ...]
    seeds: int
    epochs: int
    points: int
    """Points each optimizer is given, at most."""
    halving: Halving | None
    """When points are stopped early; None where none is."""
    sampler_seed: int
