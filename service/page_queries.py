"""What the pages ask, answered with the same queries as the API's."""

from collections.abc import Mapping, Sequence

from dashboards.queries import BestScore
from service.db import Database
from service.heatmaps.model import StudyResults
from service.heatmaps.queries import ResultsCache
from service.studies import queries
from service.studies.model import StudyPage, StudyState, StudySummary

LISTED = 5_000
"""Trials of a study whose best scores the list shows: those of larger ones take seconds to find,
and are on their own page."""


class PageQueries:
    """Reads for `dashboards.views.pages`."""

    def __init__(self, database: Database, cache: ResultsCache) -> None:
        """Read from `database`, results through `cache`."""
        self._database = database
        self._cache = cache

    def list_studies(self, state: StudyState | None, cursor: str | None) -> StudyPage:
        """Return studies, newest first, of one state or of all."""
        with self._database.read() as session:
            return queries.page(session, state=state, cursor=cursor)

    def study(self, study_id: str) -> StudySummary:
        """Return one study. Raises `NotFoundError`."""
        with self._database.read() as session:
            return queries.summary(session, study_id)

    def results(self, study_id: str) -> StudyResults:
        """Return its results so far. Raises `NotFoundError`."""
        with self._database.read() as session:
            return self._cache.results(session, study_id)

    def best_of(self, study_ids: Sequence[str]) -> Mapping[str, tuple[BestScore, ...]]:
        """Return each study's best score an optimizer, best first."""
        found = {study_id: self.study(study_id) for study_id in study_ids}
        return {
            study_id: _best(self.results(study_id))
            for study_id, study in found.items()
            if study.trials <= LISTED
        }


def _best(results: StudyResults) -> tuple[BestScore, ...]:
    found = [
        BestScore(row.optimizer, row.title, row.best, results.metric)
        for row in results.robustness
        if row.best is not None
    ]
    return tuple(sorted(found, key=lambda best: best.score, reverse=results.metric.maximize))
