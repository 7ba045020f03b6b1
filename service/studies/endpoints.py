"""`/studies`."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from service.app_state import DatabaseOf, SettingsOf
from service.problems import PROBLEMS
from service.search.planning import resolve_any
from service.search.schemas import AnyStudyRequest
from service.studies import queries, repository
from service.studies.model import StudyState
from service.studies.planning import StudySpec
from service.studies.schemas import StudyAnswer, StudyCreated, StudyPageAnswer, StudyPlan

router = APIRouter(prefix="/studies", tags=["studies"], responses=PROBLEMS)

EXAMPLE = {
    "task": "digits-mlp",
    "optimizers": ["adamw", "adam-lpwd"],
    "learning_rates": [0.001, 0.003, 0.01],
    "weight_decays": [0, 0.01, 0.1, 1.0],
    "seeds": 3,
}
SEARCH_EXAMPLE = {
    "mode": "search",
    "task": "digits-mlp",
    "optimizers": ["adamw", "adam-lpwd"],
    "space": {
        "learning_rate": {"low": 0.0001, "high": 0.1},
        "weight_decay": {"low": 0.0001, "high": 1.0, "zero": True},
        "optimizers": {"adam-lpwd": {"beta1": {"low": 0.8, "high": 0.95}}},
    },
    "seeds": 3,
    "budget": {"points": 30},
}
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {**PROBLEMS[422], "description": "Not possible in the study's present state"}
}


@router.post(
    "",
    status_code=201,
    response_model=StudyCreated,
    responses={200: {"model": StudyPlan, "description": "A dry run, or a study sent before"}},
)
def create(
    study: Annotated[
        AnyStudyRequest,
        Body(openapi_examples={"grid": {"value": EXAMPLE}, "search": {"value": SEARCH_EXAMPLE}}),
    ],
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    dry_run: Annotated[bool, Query(description="Only say what it would cost.")] = False,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="Makes sending twice create once: the second answer is the first's study.",
        ),
    ] = None,
) -> Response:
    """Send a study. Trials that have a result already are never trained again."""
    spec = resolve_any(study, max_trials=settings.max_trials)
    if isinstance(spec, StudySpec):
        spec.keyed  # noqa: B018 - hashed here, so that no other writer waits for it
    if dry_run:
        with database.read() as session:
            return JSONResponse(_plan(repository.plan(session, spec)).model_dump(mode="json"))
    with database.write() as session:
        plan = repository.plan(session, spec)
        study_id, new = repository.create_once(session, spec, idempotency_key)
    with database.read() as session:
        answer = StudyAnswer.model_validate(queries.summary(session, study_id))
    body = StudyCreated(**dict(_plan(plan)), study=answer)
    location = str(request.url_for("read_study", study_id=study_id).path)
    return JSONResponse(
        body.model_dump(mode="json"),
        status_code=201 if new else 200,
        headers={"Location": location},
    )


def _plan(plan: repository.Plan) -> StudyPlan:
    return StudyPlan(
        trials=plan.trials,
        known=plan.known,
        missing=plan.missing,
        estimated_worker_seconds=plan.estimated_worker_seconds,
        points=plan.points,
        epochs=plan.epochs,
        spec=plan.spec.to_json(),
    )


@router.get("")
def list_studies(
    database: DatabaseOf,
    state: Annotated[StudyState | None, Query(description="Only those in this state.")] = None,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Studies on a page.")] = 50,
) -> StudyPageAnswer:
    """List studies, newest first."""
    with database.read() as session:
        found = queries.page(session, state=state, cursor=cursor, limit=limit)
    return StudyPageAnswer.model_validate(found)


@router.get("/{study_id}", name="read_study")
def read(study_id: str, database: DatabaseOf) -> StudyAnswer:
    """Return a study and how far it has come."""
    with database.read() as session:
        return StudyAnswer.model_validate(queries.summary(session, study_id))


@router.post("/{study_id}/cancel", responses=CONFLICT)
def cancel(study_id: str, database: DatabaseOf) -> StudyAnswer:
    """Cancel a queued or running study. Finished trials keep their results."""
    with database.write() as session:
        repository.cancel(session, study_id)
    with database.read() as session:
        return StudyAnswer.model_validate(queries.summary(session, study_id))


@router.delete("/{study_id}", status_code=204, responses=CONFLICT)
def delete(study_id: str, database: DatabaseOf) -> None:
    """Delete a study that has ended. Results of its trials stay, for other studies to reuse."""
    with database.write() as session:
        repository.remove(session, study_id)
