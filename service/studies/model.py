"""Records of a study as the API and the pages see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from service.search.model import SearchCounts, StudyMode
from workers.contracts import Budget


class StudyState(StrEnum):
    """Where a study is; `TRANSITIONS` says what may follow what."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """Finished, but some trials could not be trained."""
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing follows without a new request, to extend the study or to try again."""
        return self in {StudyState.DONE, StudyState.FAILED, StudyState.CANCELLED}


TRANSITIONS: dict[StudyState, frozenset[StudyState]] = {
    StudyState.QUEUED: frozenset({StudyState.RUNNING, StudyState.CANCELLED}),
    StudyState.RUNNING: frozenset(
        {StudyState.QUEUED, StudyState.DONE, StudyState.FAILED, StudyState.CANCELLED}
    ),
    StudyState.DONE: frozenset({StudyState.QUEUED}),
    StudyState.FAILED: frozenset({StudyState.QUEUED, StudyState.DONE}),
    StudyState.CANCELLED: frozenset({StudyState.QUEUED, StudyState.DONE}),
}


def leading_to(state: StudyState) -> tuple[StudyState, ...]:
    """Return the states that `state` may follow."""
    return tuple(before for before in StudyState if state in TRANSITIONS[before])


@dataclass(frozen=True)
class Limits:
    """After how much a study is stopped; None for no limit."""

    running_seconds: float | None = None
    """Time that it is running."""
    training_seconds: float | None = None
    """Time that its trials train, all workers together."""


@dataclass(frozen=True)
class Used:
    """How much a study has used so far of what `Limits` bounds."""

    running_seconds: float = 0.0
    training_seconds: float = 0.0


@dataclass(frozen=True)
class Details:
    """What is said about a study besides what it trains: no part of its trials' identity."""

    tags: tuple[str, ...] = ()
    """Sorted."""
    note: str = ""
    priority: int = 0
    limits: Limits = Limits()
    owner_id: str | None = None
    """The key it was sent with."""


@dataclass(frozen=True)
class StudySummary:
    """A study in a list."""

    id: str
    name: str
    task: str
    optimizers: tuple[str, ...]
    learning_rates: tuple[float, ...]
    weight_decays: tuple[float, ...]
    seeds: tuple[int, ...]
    epochs: int
    state: StudyState
    error: str | None
    """Why it failed, or what it waits for; None when all is well."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    trials: int
    finished: int
    """Trials done or diverged."""
    diverged: int
    failed: int
    running: int
    reused: int
    """Trials whose result was already known when the study was sent."""
    progress: float
    """Share of all epochs trained, in [0, 1]: moves between two finished trials too."""
    eta_seconds: float | None
    """Estimated time left; None until it can be told."""
    device: str | None
    """Where it trains, for instance ``2 × cpu``."""
    budget: Budget
    """Of every trial, with its numeric mode."""
    hyperparameters: Mapping[str, Mapping[str, Any]]
    """By label, those that differ from the catalogue's defaults; of a grid alone, as each point of
    a search has its own."""
    imported_at: datetime | None = None
    """When it came here as an archive; None where it was sent here."""
    origin: str | None = None
    """Which archive, of which version."""
    search: SearchCounts | None = None
    """Of a search; its trials are those of points that were trained in full, and it has no rates
    of its own."""
    owner: str | None = None
    """Name of the key it was sent with; None where none was needed."""
    tags: tuple[str, ...] = ()
    note: str = ""
    priority: int = 0
    limits: Limits = Limits()
    used: Used = Used()
    last_loss: str | None = None
    """Which runner fell silent while it had the study, and when."""
    activity: str | None = None
    """What its runner is at, where that is not its trials."""

    @property
    def mode(self) -> StudyMode:
        """How it chooses what to train."""
        return StudyMode.GRID if self.search is None else StudyMode.SEARCH


@dataclass(frozen=True)
class StudyPage:
    """Some studies, in the order that was asked for."""

    items: tuple[StudySummary, ...]
    next_cursor: str | None
    """Where the next page begins; None on the last."""


class StudyOrder(StrEnum):
    """What a list begins with."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"
    PRIORITY = "priority"
    """The highest; among equal ones the newest."""


@dataclass(frozen=True)
class StudyFilter:
    """Which studies; every field narrows the list, one that is empty does not."""

    states: tuple[StudyState, ...] = ()
    """Any of these."""
    task: str | None = None
    optimizer: str | None = None
    """Its name in the catalogue, or the label it has in the study."""
    owner: str | None = None
    """Name of the key that a study was sent with."""
    tags: tuple[str, ...] = ()
    """All of these."""
    text: str | None = None
    """Somewhere in name, note or id, in capitals or not."""
    created_after: datetime | None = None
    """At this moment or later."""
    created_before: datetime | None = None
    """Before this moment."""
    order: StudyOrder = StudyOrder.NEWEST

    @property
    def narrow(self) -> bool:
        """Whether it leaves out anything."""
        return self != StudyFilter(order=self.order)
