"""Reading the points of a search, and its results through a cache."""

import threading
from collections import OrderedDict

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from service.db import Database
from service.db.tables.searches import ImportanceRow, PointRow
from service.errors import NotFoundError
from service.events.repository import revision
from service.heatmaps.aggregate import metric_view
from service.search.model import Importance, SearchedPoint, SearchResults
from service.search.planning import SearchSpec
from service.search.repository import load_search, to_past, weighed
from service.search.results import aggregate
from service.search.scores import unpack
from service.search.storage_file import ExportedPoint, ExportedStudy
from workers.search.contracts import PointState

REMEMBERED = 64
"""Searches last looked at, of which the results are kept."""


def to_point(found: PointRow, seeds: int) -> SearchedPoint:
    """Turn a row into a record."""
    last = unpack(found.scores, seeds)[-1].tolist() if found.scores else ()
    return SearchedPoint(
        optimizer=found.optimizer,
        number=found.number,
        state=found.state,
        parameters=found.parameters,
        learning_rate=found.learning_rate,
        weight_decay=found.weight_decay,
        value=found.value,
        test_value=found.test_value,
        seed_scores=tuple(last),
        epochs=found.epochs_done,
        diverged=found.diverged,
        reason=found.reason,
        seconds=found.seconds,
        device=found.device,
        created_at=found.created_at,
        finished_at=found.finished_at,
    )


def to_importance(told: ImportanceRow) -> Importance:
    """Turn a row into a record."""
    shares = tuple((name, share) for name, share in told.shares)
    return Importance(told.points, shares, None if shares else "every point has the same score")


def page(
    session: Session,
    study_id: str,
    *,
    optimizer: str | None,
    state: PointState | None,
    offset: int,
    limit: int,
) -> tuple[list[SearchedPoint], int | None]:
    """Return some points, in the order in which they were begun, and where the next page begins.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It is a grid.
    """
    seeds = len(load_search(session, study_id).search.seeds)
    query = _all(study_id)
    if optimizer is not None:
        query = query.where(PointRow.optimizer == optimizer)
    if state is not None:
        query = query.where(PointRow.state == state)
    found = session.scalars(query.offset(offset).limit(limit + 1)).all()
    shown = [to_point(one, seeds) for one in found[:limit]]
    return shown, offset + limit if len(found) > limit else None


def one(
    session: Session, study_id: str, optimizer: str, number: int
) -> tuple[PointRow, SearchSpec]:
    """Return one point's row and its search.

    Raises:
        NotFoundError: There is no such study or point.
        ConflictError: The study is a grid.
    """
    spec = load_search(session, study_id)
    found = session.get(PointRow, (study_id, optimizer, number))
    if found is None:
        raise NotFoundError(
            f"study {study_id} has no point {number} of {optimizer[:64]!r}; "
            f"GET /api/v1/studies/{study_id}/points lists them"
        )
    return found, spec


def exported(session: Session, study_id: str) -> tuple[ExportedStudy, ...]:
    """Return what a storage file says: one study an optimizer, with all points that have ended.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It is a grid, or its task has left the catalogue.
    """
    spec = load_search(session, study_id)
    search = spec.search
    rows = session.scalars(_all(study_id).where(PointRow.state != PointState.RUNNING)).all()
    metric = metric_view(search.task, "validation")
    common = {
        "study": study_id,
        "task": search.task,
        "metric": f"validation {metric.name}, mean over {len(search.seeds)} seeds",
        "seeds": list(search.seeds),
    }
    return tuple(
        ExportedStudy(
            name=optimizer.label,
            space=optimizer.space,
            points=tuple(
                _exported_point(point, len(search.seeds))
                for point in rows
                if point.optimizer == optimizer.label
            ),
            attributes=common | {"optimizer": optimizer.name},
            maximize=metric.maximize,
        )
        for optimizer in search.optimizers
    )


def _exported_point(found: PointRow, seeds: int) -> ExportedPoint:
    point = to_point(found, seeds)
    attributes = {
        "number": point.number,
        "state": str(point.state),
        "learning_rate": point.learning_rate,
        "weight_decay": point.weight_decay,
        "seed_scores": list(point.seed_scores),
        "test_value": point.test_value,
        "diverged_seeds": point.diverged,
        "reason": point.reason,
        "epochs": point.epochs,
        "seconds": point.seconds,
    }
    assert found.finished_at is not None  # noqa: S101 - it has ended
    return ExportedPoint(to_past(found, seeds), attributes, found.created_at, found.finished_at)


def _all(study_id: str) -> Select[PointRow]:
    return (
        select(PointRow)
        .where(PointRow.study_id == study_id)
        .order_by(PointRow.created_at, PointRow.optimizer, PointRow.number)
    )


class SearchReader:
    """Results of searches; those last looked at are kept, by the number of their last event."""

    def __init__(self, database: Database) -> None:
        """Read from `database`."""
        self._database = database
        self._kept: OrderedDict[tuple[str, int], SearchResults] = OrderedDict()
        self._lock = threading.Lock()

    def results(self, study_id: str) -> SearchResults:
        """Return a search's results so far.

        Raises:
            NotFoundError: There is no such study.
            ConflictError: It is a grid, or its task has left the catalogue.
        """
        with self._database.read() as session:
            return self.read(session, study_id)

    def read(self, session: Session, study_id: str) -> SearchResults:
        """Return the same, in a session that is open. Raises as `results`."""
        key = (study_id, revision(session, study_id))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        spec = load_search(session, study_id)
        seeds = len(spec.search.seeds)
        points = [to_point(found, seeds) for found in session.scalars(_all(study_id))]
        importances = {
            label: to_importance(told) for label, told in weighed(session, study_id).items()
        }
        found = aggregate(spec, points, importances)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)
        return found
