"""What became of a schedule's studies, night by night."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from lpwd.errors import LpwdError
from service.db import Database
from service.db.tables.schedules import FiringRow
from service.db.tables.studies import StudyRow
from service.errors import ServiceError
from service.heatmaps.aggregate import metric_view
from service.heatmaps.queries import DEFAULT_SPLIT, ResultsCache
from service.schedules.model import Decline, Regression, TrendPoint, TrendScore
from service.schedules.repository import read
from service.search.planning import MODE
from service.search.reading import SearchReader
from service.studies.model import StudyState
from workers.errors import WorkersError

logger = logging.getLogger(__name__)


class _Sent(NamedTuple):
    """A study that a schedule sent, and that is done."""

    firing_id: str
    due_at: datetime
    study_id: str
    task: str
    search: bool
    regression: Regression | None


def trend(
    database: Database,
    results: ResultsCache,
    searches: SearchReader,
    schedule_id: str,
    *,
    split: str = DEFAULT_SPLIT,
    limit: int,
) -> list[TrendPoint]:
    """Return what came of the last studies that a schedule sent and that are done, oldest first.

    Args:
        database: Where they are.
        results: Through which grids are read.
        searches: Through which searches are read.
        schedule_id: The schedule.
        split: ``test`` or ``validation``.
        limit: How many studies, at most.

    Raises:
        NotFoundError: There is no such schedule.
    """
    found = []
    for sent in _sent(database, schedule_id, limit):
        point = TrendPoint(
            firing_id=sent.firing_id,
            due_at=sent.due_at,
            study_id=sent.study_id,
            task=sent.task,
            worse_than=sent.regression.before_id if sent.regression else None,
        )
        try:
            metric = metric_view(sent.task, split)
            point = replace(
                point,
                metric=metric.name,
                maximize=metric.maximize,
                percent=metric.percent,
                optimizers=tuple(_scores(database, results, searches, sent, split)),
            )
        except (LpwdError, WorkersError, ServiceError) as error:
            # It has left the catalogue since, or was deleted this moment.
            logger.warning("study %s has no place in a trend: %s", sent.study_id, error)
            point = replace(point, reason=str(error))
        found.append(point)
    return found


def _sent(database: Database, schedule_id: str, limit: int) -> list[_Sent]:
    with database.read() as session:
        read(session, schedule_id)
        rows = session.execute(
            select(FiringRow.id, FiringRow.due_at, FiringRow.regression, StudyRow.id, StudyRow.spec)
            .join(StudyRow, StudyRow.id == FiringRow.study_id)
            .where(FiringRow.schedule_id == schedule_id, StudyRow.state == StudyState.DONE)
            .order_by(FiringRow.due_at.desc())
            .limit(limit)
        ).all()
    return [
        _Sent(
            firing_id,
            due_at,
            study_id,
            spec["task"],
            spec.get("mode") == MODE,
            None if regression is None else Regression.from_json(regression),
        )
        for firing_id, due_at, regression, study_id, spec in reversed(rows)
    ]


def _scores(
    database: Database, results: ResultsCache, searches: SearchReader, sent: _Sent, split: str
) -> Iterable[TrendScore]:
    """Yield the best score of each optimizer."""
    if sent.search:
        for one in searches.results(sent.study_id).optimizers:
            point = one.best
            value = None
            if point is not None:
                value = point.test_value if split == "test" else point.value
            yield TrendScore(one.optimizer, one.title, value, None, None, None)
        return
    worse: dict[str, Decline] = {}
    if sent.regression is not None:
        worse = {decline.optimizer: decline for decline in sent.regression.optimizers}
    with database.read() as session:
        found = results.results(session, sent.study_id, split=split)
    for row in found.robustness:
        decline = worse.get(row.optimizer)
        yield TrendScore(row.optimizer, row.title, row.best, row.best_low, row.best_high, decline)
