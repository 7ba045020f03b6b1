"""What the pages ask of the service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.comparison.model import Comparison
from service.comparison.studies import Across
from service.heatmaps.model import MetricView, StudyResults
from service.queue.reading import QueueView
from service.schedules.model import Regression, ScheduleView
from service.search.model import SearchResults
from service.studies.model import StudyFilter, StudyPage, StudySummary


@dataclass(frozen=True)
class BestScore:
    """The best cell of one optimizer in one study."""

    optimizer: str
    title: str
    score: float
    metric: MetricView


class Queries(Protocol):
    """Reads only; every method may be called from many threads at once."""

    def list_studies(self, wanted: StudyFilter, cursor: str | None) -> StudyPage:
        """The studies that a filter finds, in its order."""
        ...

    def study(self, study_id: str) -> StudySummary:
        """One study; raises the service's own error where there is none."""
        ...

    def results(self, study_id: str) -> StudyResults:
        """Its results so far, where it is a grid; raises as `study` does."""
        ...

    def search(self, study_id: str) -> SearchResults:
        """What a search found so far; raises as `study` does."""
        ...

    def comparison(self, study_id: str, reference: str | None) -> Comparison | None:
        """A grid's optimizers against one of them, by its label, or the usual one; None where there
        is but one. Raises where it has no such optimizer."""
        ...

    def regression(self, study_id: str) -> Regression | None:
        """What came out worse in a study than in the one that its schedule sent before."""
        ...

    def schedules(self) -> Sequence[ScheduleView]:
        """All schedules, and what came of them last."""
        ...

    def queue(self) -> QueueView:
        """Who trains what, and what comes next."""
        ...

    def across(self, study_ids: Sequence[str]) -> Across:
        """Studies of one task beside one another; raises where they cannot be compared."""
        ...

    def best_of(self, study_ids: Sequence[str]) -> Mapping[str, tuple[BestScore, ...]]:
        """By study, its optimizers' best scores, best first; without what has no result yet."""
        ...
