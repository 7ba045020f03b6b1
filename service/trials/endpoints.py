"""`/studies/{id}/trials` and `/trials/{key}`."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.app_state import DatabaseOf
from service.conditional import NOT_CHANGED, represent, send, tag
from service.problems import PROBLEMS
from service.trials import queries
from service.trials.model import TrialState
from service.trials.schemas import TrialPage, TrialWithCurves

router = APIRouter(tags=["trials"], responses=PROBLEMS)


@router.get("/studies/{study_id}/trials")
def of_study(
    study_id: str,
    database: DatabaseOf,
    state: Annotated[TrialState | None, Query(description="Only those in this state.")] = None,
    offset: Annotated[int, Query(ge=0, le=10**9, description="Trials to skip.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Trials on a page.")] = 200,
) -> TrialPage:
    """List a study's trials, in the order they are trained."""
    with database.read() as session:
        return queries.of_study(session, study_id, state=state, offset=offset, limit=limit)


@router.get("/trials/{key}", response_model=TrialWithCurves, responses=NOT_CHANGED)
def read(key: str, request: Request, database: DatabaseOf) -> Response:
    """Return one trial with its curves."""
    with database.read() as session:
        body = queries.with_curves(session, key).model_dump_json().encode()
    etag = tag("trial", hashlib.sha256(body).hexdigest())
    return send(request, represent(body, "application/json", etag, f"trial-{key}.json"))
