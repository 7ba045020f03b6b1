"""What a client gets: studies in JSON."""

from datetime import datetime
from typing import Any

from service.bodies import Answer
from service.search.model import StudyMode
from service.studies.model import StudyState
from workers.contracts import Budget


class SearchProgress(Answer):
    """How far a search has come, over all its optimizers."""

    points: int
    """Points at most."""
    done: int
    """Trained for their whole budget."""
    pruned: int
    """Stopped early."""
    diverged: int
    """With every seed."""
    failed: int
    running: int
    seconds: float
    """Training so far."""
    seconds_at_most: float | None
    """Where the budget is in seconds."""
    ended: int
    """Points that nothing more will come of."""


class LimitsAnswer(Answer):
    """After how much a study is stopped; null for no limit."""

    running_seconds: float | None
    training_seconds: float | None


class UsedAnswer(Answer):
    """How much of that it has used so far."""

    running_seconds: float
    training_seconds: float


class StudyAnswer(Answer):
    """A study and how far it has come."""

    id: str
    mode: StudyMode
    name: str
    task: str
    optimizers: tuple[str, ...]
    """Labels."""
    learning_rates: tuple[float, ...]
    """Of a grid; none of a search."""
    weight_decays: tuple[float, ...]
    seeds: tuple[int, ...]
    epochs: int
    state: StudyState
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    trials: int
    """Of a search: those of points that needed no more training."""
    finished: int
    """Trials done or diverged."""
    diverged: int
    failed: int
    running: int
    reused: int
    """Trials whose result was known when the study was sent."""
    progress: float
    """Share of all epochs trained, in [0, 1]."""
    eta_seconds: float | None
    device: str | None
    imported_at: datetime | None
    """When it came here as an archive; null where it was sent here."""
    origin: str | None
    """Which archive, of which version of lpwd."""
    budget: Budget
    """Of every trial, with its numeric mode."""
    hyperparameters: dict[str, dict[str, Any]]
    """By label, those that differ from the catalogue's defaults; of a grid alone."""
    search: SearchProgress | None
    """Of a search alone."""
    owner: str | None
    """Name of the key it was sent with; null where none was needed."""
    tags: tuple[str, ...]
    note: str
    priority: int
    limits: LimitsAnswer
    used: UsedAnswer
    last_loss: str | None
    """Which runner fell silent while it had the study, and when."""
    activity: str | None
    """What its runner is at, where that is not its trials: `measuring how many trials train
    quickest together`, before the first packs of a kind."""


class StudyPlan(Answer):
    """What a study would cost."""

    trials: int
    """Of a search, at most."""
    known: int
    """Of these, how many have a result already; of a search that cannot be told before."""
    missing: int
    estimated_worker_seconds: float | None
    """Time one worker needs for what is missing, from this task's trials so far; null while there
    are none to go by, those of a single epoch not counted."""
    points: int | None
    """Of a search: points at most, of all optimizers."""
    epochs: int | None
    """Of a search: epochs at most, of all trials; the estimate reckons with early stopping."""
    spec: dict[str, Any]
    """The study with every default written out."""


class StudyCreated(StudyPlan):
    """What a study costs, and the study."""

    study: StudyAnswer


class StudyExtended(StudyPlan):
    """What an extension costs, and the study."""

    added: int
    """New trials; of a search, at most."""
    study: StudyAnswer


class StudyPageAnswer(Answer):
    """Some studies, in the order that was asked for."""

    items: tuple[StudyAnswer, ...]
    next_cursor: str | None
    """Hand it back as `cursor` for the next page; null on the last."""
