"""`/studies/{id}/trials` and `/trials/{key}`."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.app_state import DatabaseOf
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


@router.get("/trials/{key}")
def read(key: str, database: DatabaseOf) -> TrialWithCurves:
    """Return one trial with its curves."""
    with database.read() as session:
        return queries.with_curves(session, key)
