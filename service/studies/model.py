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
    StudyState.QUEUED: frozenset({StudyState.RUNNING, StudyState.DONE, StudyState.CANCELLED}),
    StudyState.RUNNING: frozenset(
        {StudyState.QUEUED, StudyState.DONE, StudyState.FAILED, StudyState.CANCELLED}
    ),
    StudyState.DONE: frozenset({StudyState.QUEUED}),
    StudyState.FAILED: frozenset({StudyState.QUEUED, StudyState.DONE}),
    StudyState.CANCELLED: frozenset({StudyState.QUEUED, StudyState.DONE}),
}


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
    search: SearchCounts | None = None
    """Of a search; its trials are those of points that were trained in full, and it has no rates
    of its own."""

    @property
    def mode(self) -> StudyMode:
        """How it chooses what to train."""
        return StudyMode.GRID if self.search is None else StudyMode.SEARCH


@dataclass(frozen=True)
class StudyPage:
    """Some studies, newest first."""

    items: tuple[StudySummary, ...]
    next_cursor: str | None
    """Where the next page begins; None on the last."""
