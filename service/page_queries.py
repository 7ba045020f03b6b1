"""What the pages ask, answered with the same queries as the API's."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select

from dashboards.queries import BestScore
from service.comparison.across_queries import read_across
from service.comparison.model import Comparison
from service.comparison.queries import Comparisons
from service.comparison.studies import Across
from service.db import Database
from service.db.tables.studies import StudyRow
from service.events.revisions import revisions
from service.heatmaps.kept import Kept
from service.heatmaps.model import StudyResults
from service.heatmaps.queries import ResultsCache
from service.queue.reading import QueueView, view
from service.schedules.model import Regression, ScheduleView
from service.schedules.reading import regression_of
from service.schedules.reading import views as schedule_views
from service.search.model import SearchResults
from service.search.queries import searched
from service.search.reading import SearchReader
from service.studies import queries
from service.studies.model import StudyFilter, StudyPage, StudySummary
from service.studies.planning import StudySpec
from service.studies.repository import load_spec

LISTED = 5_000
"""Trials of a study whose best scores the list shows: those of larger ones take seconds to find,
and are on their own page."""

BEST_KEPT = 2000
"""Studies whose best scores are kept until they change: a list shows many, again and again."""

WAITING = 50
"""Waiting studies that the page of the queue shows."""


class PageQueries:
    """Reads for `dashboards.views.pages`."""

    def __init__(
        self,
        database: Database,
        cache: ResultsCache,
        searches: SearchReader,
        comparisons: Comparisons,
    ) -> None:
        """Read from `database`, results through the others."""
        self._database = database
        self._cache = cache
        self._searches = searches
        self._comparisons = comparisons
        self._best: Kept[tuple[BestScore, ...]] = Kept(BEST_KEPT)

    def list_studies(self, wanted: StudyFilter, cursor: str | None) -> StudyPage:
        """Return the studies that a filter finds, in its order."""
        with self._database.read() as session:
            return queries.page(session, wanted, cursor=cursor)

    def study(self, study_id: str) -> StudySummary:
        """Return one study. Raises `NotFoundError`."""
        with self._database.read() as session:
            return queries.summary(session, study_id)

    def results(self, study_id: str) -> StudyResults:
        """Return its results so far. Raises `NotFoundError`."""
        with self._database.read() as session:
            return self._cache.results(session, study_id)

    def search(self, study_id: str) -> SearchResults:
        """Return what a search found so far. Raises `NotFoundError`."""
        return self._searches.results(study_id)

    def comparison(self, study_id: str, reference: str | None) -> Comparison | None:
        """Return the comparison with a reference, or with the usual one; None of one optimizer.

        Raises:
            NotFoundError: There is no such study.
            InvalidRequestError: It has no such optimizer.
        """
        with self._database.read() as session:
            if len(load_spec(session, study_id).variants) < 2:
                return None
            return self._comparisons.read(session, study_id, reference)

    def regression(self, study_id: str) -> Regression | None:
        """Return what came out worse in a study that a schedule sent."""
        with self._database.read() as session:
            return regression_of(session, study_id)

    def schedules(self) -> tuple[ScheduleView, ...]:
        """Return all schedules, and what came of them last."""
        with self._database.read() as session:
            return schedule_views(session)

    def queue(self) -> QueueView:
        """Return who trains what, and the next of those that wait."""
        return view(self._database, limit=WAITING)

    def across(self, study_ids: Sequence[str]) -> Across:
        """Compare studies of one task.

        Raises:
            NotFoundError: There is no such study.
            ConflictError: One is a search.
            InvalidRequestError: They cannot be compared.
        """
        with self._database.read() as session:
            return read_across(session, self._cache, study_ids)

    def best_of(self, study_ids: Sequence[str]) -> Mapping[str, tuple[BestScore, ...]]:
        """Return each study's best score an optimizer, best first."""
        found: dict[str, tuple[BestScore, ...]] = {}
        searches: list[str] = []
        with self._database.read() as session:
            numbers = revisions(session, study_ids) if study_ids else {}
            wanted = []
            for study_id in study_ids:
                known = self._best.get((study_id, numbers.get(study_id, 0)))
                if known is None:
                    wanted.append(study_id)
                else:
                    found[study_id] = known
            for study in session.scalars(select(StudyRow).where(StudyRow.id.in_(wanted))):
                if searched(study):
                    searches.append(study.id)
                elif StudySpec.from_json(study.spec).trial_count <= LISTED:
                    best = _best(self._cache.results(session, study.id))
                    self._best.put((study.id, numbers.get(study.id, 0)), best, 1)
                    found[study.id] = best
        for study_id in searches:
            if self.study(study_id).trials <= LISTED:
                found[study_id] = _best_points(self.search(study_id))
        return found


def _best(results: StudyResults) -> tuple[BestScore, ...]:
    return _sorted(
        [
            BestScore(row.optimizer, row.title, row.best, results.metric)
            for row in results.robustness
            if row.best is not None
        ]
    )


def _best_points(results: SearchResults) -> tuple[BestScore, ...]:
    """Test scores of the best points, as maps show them."""
    metric = replace(results.metric, split="test")
    return _sorted(
        [
            BestScore(one.optimizer, one.title, one.best.test_value, metric)
            for one in results.optimizers
            if one.best is not None and one.best.test_value is not None
        ]
    )


def _sorted(found: list[BestScore]) -> tuple[BestScore, ...]:
    return tuple(
        sorted(
            found,
            key=lambda best: best.score if best.metric.maximize else -best.score,
            reverse=True,
        )
    )
