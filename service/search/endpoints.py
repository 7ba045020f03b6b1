"""`/studies/{id}/points`, `/studies/{id}/search` and `/studies/{id}/optuna.db`."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service.app_state import DatabaseOf, SearchesOf
from service.problems import PROBLEMS
from service.search import reading
from service.search.answers import (
    PointPage,
    PointWithScores,
    SearchAnswer,
    point_answer,
    search_answer,
)
from service.search.exporter import storage_file
from service.search.scores import unpack
from service.studies.endpoints import CONFLICT
from service.studies.fields import Label
from workers.search.contracts import PointState

router = APIRouter(
    prefix="/studies/{study_id}", tags=["searches"], responses={**PROBLEMS, **CONFLICT}
)


@router.get("/points")
def points(
    study_id: str,
    database: DatabaseOf,
    optimizer: Annotated[Label | None, Query(description="Only those of this label.")] = None,
    state: Annotated[PointState | None, Query(description="Only those in this state.")] = None,
    offset: Annotated[int, Query(ge=0, le=10**9, description="Points to skip.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Points on a page.")] = 200,
) -> PointPage:
    """List a search's points, in the order in which they were begun."""
    with database.read() as session:
        found, following = reading.page(
            session, study_id, optimizer=optimizer, state=state, offset=offset, limit=limit
        )
    return PointPage(items=tuple(map(point_answer, found)), next_offset=following)


@router.get("/points/{optimizer}/{number}")
def point(
    study_id: str,
    optimizer: Annotated[Label, Path(description="Its label in the study.")],
    number: Annotated[int, Path(ge=0, lt=10**9, description="As `points` lists it.")],
    database: DatabaseOf,
) -> PointWithScores:
    """Return one point, with every seed's score after every epoch."""
    with database.read() as session:
        row, spec = reading.one(session, study_id, optimizer, number)
    search = spec.search
    entry = next(one for one in search.optimizers if one.label == row.optimizer)
    scores = unpack(row.scores, len(search.seeds)).tolist() if row.scores else []
    answer = point_answer(reading.to_point(row, len(search.seeds)))
    trials = [trial.key for trial in search.trials(entry, row.parameters)]
    return PointWithScores(**dict(answer), scores=scores, trials=trials)


@router.get("/search")
def search(study_id: str, searches: SearchesOf) -> SearchAnswer:
    """Return what a search found: for each optimizer the best point, and what mattered."""
    return search_answer(searches.results(study_id))


@router.get("/optuna.db", response_class=Response)
def optuna_db(study_id: str, database: DatabaseOf) -> Response:
    """Return the points as an Optuna storage, a SQLite file with one study an optimizer.

    optuna-dashboard opens it, and `optuna.load_study(study_name="adamw",
    storage="sqlite:///optuna.db")`. It takes some milliseconds a point.
    """
    with database.read() as session:
        studies = reading.exported(session, study_id)
    return Response(
        storage_file(studies),
        media_type="application/vnd.sqlite3",
        headers={"Content-Disposition": f'attachment; filename="study-{study_id}.optuna.db"'},
    )
