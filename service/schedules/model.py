"""Schedules as pages show them, and what came out worse."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from service.studies.model import StudyState


@dataclass(frozen=True)
class Decline:
    """An optimizer whose best cell came out worse than before."""

    optimizer: str
    """Its label."""
    difference: float
    """Of the best cell's score, in the metric's unit: after less before."""
    low: float | None
    """Lower end of its 95 % interval."""
    high: float | None
    p_adjusted: float | None
    """After Holm's correction over all optimizers."""


@dataclass(frozen=True)
class Regression:
    """A study that came out worse than the one that its schedule sent before."""

    before_id: str | None
    """That one; None where it is known to have been deleted since."""
    optimizers: tuple[Decline, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as the database keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(data["before_id"], tuple(Decline(**one) for one in data["optimizers"]))


@dataclass(frozen=True)
class TrendScore:
    """What an optimizer scored in one of a schedule's studies."""

    optimizer: str
    """Its label."""
    title: str
    best: float | None
    """Of its best cell or point, chosen on validation; None where it has none."""
    low: float | None
    """Lower end of the 95 % interval, over seeds; None of a search, and of too few seeds."""
    high: float | None
    regression: Decline | None
    """By how much it came out worse than before; None where it did not."""


@dataclass(frozen=True)
class TrendPoint:
    """What came of one study that a schedule sent."""

    firing_id: str
    due_at: datetime
    study_id: str
    task: str
    worse_than: str | None
    """The study sent before that an optimizer came out worse than; None where none did."""
    metric: str | None = None
    """As the task calls it."""
    maximize: bool | None = None
    percent: bool | None = None
    """Whether the metric is a share in [0, 1], shown in per cent."""
    optimizers: tuple[TrendScore, ...] = ()
    reason: str | None = None
    """Why the rest cannot be told."""


@dataclass(frozen=True)
class FiringView:
    """One run of a schedule."""

    due_at: datetime
    study_id: str | None
    """The study that was sent; None where none could be, or it was deleted since."""
    study_name: str | None
    study_state: StudyState | None
    error: str | None
    """Why no study could be sent."""
    regression: Regression | None


@dataclass(frozen=True)
class SentView:
    """A study that a schedule sent, and that is done."""

    due_at: datetime
    study_id: str
    worse: tuple[str, ...] = ()
    """Labels of optimizers that came out worse than in the one before."""


@dataclass(frozen=True)
class ScheduleView:
    """A schedule, and what came of it last."""

    id: str
    name: str
    cron: str
    timezone: str
    enabled: bool
    next_at: datetime | None
    task: str
    optimizers: tuple[str, ...]
    """Labels."""
    last: FiringView | None
    """The last firing."""
    worse: FiringView | None
    """The last one whose study came out worse, where that is still there."""
    sent: tuple[SentView, ...] = ()
    """The last studies that are done, oldest first."""
