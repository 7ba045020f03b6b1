"""The queue in JSON."""

from datetime import datetime

from service.runners.schemas import RunnerAnswer
from service.studies.model import StudyState
from service.studies.schemas import Answer


class QueueEntryAnswer(Answer):
    """A study that is trained or waits."""

    study_id: str
    name: str
    task: str
    state: StudyState
    owner: str | None
    """Name of the key it was sent with; null where none was needed."""
    priority: int
    created_at: datetime
    position: int | None
    """From 1; null of a study in training."""
    reason: str | None
    """What a study waits for, and what can be done; null of one in training."""
    starts_in: float | None
    """Seconds until it starts, where that can be told: of as many as there are runners."""
    progress: float | None
    """Of a study in training, in [0, 1]."""
    eta_seconds: float | None
    """Of a study in training, until it ends, where that can be told."""
    device: str | None
    """Of a study in training: what it trains on."""


class QueueAnswer(Answer):
    """Who trains what, and what comes next."""

    running: tuple[QueueEntryAnswer, ...]
    waiting: tuple[QueueEntryAnswer, ...]
    """The next, in the order they will be taken: by priority, then owners in turns, then age."""
    waiting_count: int
    """All that wait, those not shown included."""
    runners: tuple[RunnerAnswer, ...]
