"""`/studies/{id}/trials` and `/trials/{key}`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from service.app_state import DatabaseOf
from service.conditional import NOT_CHANGED, send_json
from service.problems import PROBLEMS
from service.studies.fields import MAX_RATE, Label
from service.trials import queries
from service.trials.model import TrialState
from service.trials.queries import TrialFilter
from service.trials.schemas import TrialPage, TrialWithCurves

router = APIRouter(tags=["trials"], responses=PROBLEMS)

Rate = Annotated[float, Query(ge=0, le=MAX_RATE, allow_inf_nan=False)]


def wanted(
    state: Annotated[
        list[TrialState] | None,
        Query(max_length=len(TrialState), description="Only those in one of these states."),
    ] = None,
    optimizer: Annotated[
        Label | None, Query(description="Only those of the optimizer with this label.")
    ] = None,
    learning_rate: Annotated[
        list[Rate] | None, Query(max_length=50, description="Only those with one of these.")
    ] = None,
    weight_decay: Annotated[
        list[Rate] | None, Query(max_length=50, description="Only those with one of these.")
    ] = None,
    seed: Annotated[
        list[Annotated[int, Query(ge=0, lt=2**31)]] | None,
        Query(max_length=50, description="Only those with one of these."),
    ] = None,
) -> TrialFilter:
    """Dependency: which trials a request asks for."""
    return TrialFilter(
        states=tuple(state or ()),
        optimizer=optimizer,
        learning_rates=tuple(learning_rate or ()),
        weight_decays=tuple(weight_decay or ()),
        seeds=tuple(seed or ()),
    )


@router.get("/studies/{study_id}/trials")
def of_study(
    study_id: str,
    database: DatabaseOf,
    wanted: Annotated[TrialFilter, Depends(wanted)],
    offset: Annotated[int, Query(ge=0, le=10**9, description="Trials to skip.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Trials on a page.")] = 200,
) -> TrialPage:
    """List a study's trials, in the order they are trained."""
    with database.read() as session:
        return queries.of_study(session, study_id, wanted, offset=offset, limit=limit)


@router.get("/trials/{key}", response_model=TrialWithCurves, responses=NOT_CHANGED)
def read(key: str, request: Request, database: DatabaseOf) -> Response:
    """Return one trial with its curves, its studies, and the command that trains it again."""
    with database.read() as session:
        body = queries.with_curves(session, key).model_dump_json().encode()
    return send_json(request, body, f"trial-{key}.json")
