"""`/studies/{id}/points`, `/studies/{id}/search` and `/studies/{id}/optuna.db`."""

from pathlib import Path as File
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.orm import Session

from service.answers import Kind
from service.app_state import AnswersOf, DatabaseOf, SearchesOf
from service.conditional import NOT_CHANGED
from service.events.repository import revision
from service.heatmaps.endpoints import content
from service.problems import NO_ROOM, PROBLEMS
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
    prefix="/studies/{study_id}",
    tags=["searches"],
    responses={**PROBLEMS, **CONFLICT, **NOT_CHANGED},
)

POINTS = Kind("points.json", "application/json")
POINT = Kind("point.json", "application/json")
SEARCH = Kind("search.json", "application/json")
OPTUNA = Kind("optuna.db", "application/vnd.sqlite3")


@router.get("/points", response_model=PointPage)
async def points(
    request: Request,
    study_id: str,
    answers: AnswersOf,
    optimizer: Annotated[Label | None, Query(description="Only those of this label.")] = None,
    state: Annotated[PointState | None, Query(description="Only those in this state.")] = None,
    offset: Annotated[int, Query(ge=0, le=10**9, description="Points to skip.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Points on a page.")] = 200,
) -> Response:
    """List a search's points, in the order in which they were begun."""

    def make(session: Session) -> bytes:
        found, following = reading.page(
            session, study_id, optimizer=optimizer, state=state, offset=offset, limit=limit
        )
        page = PointPage(items=tuple(map(point_answer, found)), next_offset=following)
        return page.model_dump_json().encode()

    about = (optimizer, state, offset, limit)
    return await answers.give(request, POINTS, [study_id], about, make)


@router.get("/points/{optimizer}/{number}", response_model=PointWithScores)
async def point(
    request: Request,
    study_id: str,
    optimizer: Annotated[Label, Path(description="Its label in the study.")],
    number: Annotated[int, Path(ge=0, lt=10**9, description="As `points` lists it.")],
    answers: AnswersOf,
) -> Response:
    """Return one point, with every seed's score after every epoch."""

    def make(session: Session) -> bytes:
        row, spec = reading.one(session, study_id, optimizer, number)
        search = spec.search
        entry = next(one for one in search.optimizers if one.label == row.optimizer)
        scores = unpack(row.scores, len(search.seeds)).tolist() if row.scores else []
        answer = point_answer(reading.to_point(row, len(search.seeds)))
        trials = [trial.key for trial in search.trials(entry, row.parameters)]
        found = PointWithScores(**dict(answer), scores=scores, trials=trials)
        return found.model_dump_json().encode()

    return await answers.give(request, POINT, [study_id], (optimizer, number), make)


@router.get("/search", response_model=SearchAnswer)
async def search(
    request: Request, study_id: str, answers: AnswersOf, searches: SearchesOf
) -> Response:
    """Return what a search found: for each optimizer the best point, and what mattered."""

    def make(session: Session) -> bytes:
        return search_answer(searches.read(session, study_id)).model_dump_json().encode()

    return await answers.give(request, SEARCH, [study_id], (), make)


@router.get(
    "/optuna.db",
    response_class=Response,
    responses={**NO_ROOM, **content(OPTUNA, "An Optuna storage")},
)
async def optuna_db(
    request: Request, study_id: str, answers: AnswersOf, database: DatabaseOf
) -> Response:
    """Return the points as an Optuna storage, a SQLite file with one study an optimizer.

    optuna-dashboard opens it, and `optuna.load_study(study_name="adamw",
    storage="sqlite:///optuna.db")`. It takes some milliseconds a point.
    """

    def write(file: File) -> int:
        with database.read() as session:
            number = revision(session, study_id)
            studies = reading.exported(session, study_id)
        file.write_bytes(storage_file(studies))
        return number

    return await answers.give_file(request, OPTUNA, study_id, write)
