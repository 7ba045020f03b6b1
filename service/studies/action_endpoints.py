"""`/studies/{id}/cancel`, `/retry`, `/extend` and `/clone`."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from service.access.identity import IdentityOf
from service.app_state import DatabaseOf, SettingsOf
from service.db import Database
from service.problems import PROBLEMS
from service.search.planning import resolve_any
from service.settings import Settings
from service.studies import actions, costs, repository
from service.studies.action_schemas import StudyExtension
from service.studies.answering import (
    CREATED,
    IdempotencyKey,
    StudyId,
    create_from,
    plan_answer,
    study_answer,
)
from service.studies.answers import StudyAnswer, StudyCreated, StudyExtended, StudyPlan
from service.studies.details import details_of, read_details
from service.studies.endpoints import CONFLICT
from service.studies.extension import extended
from service.studies.planning import StudySpec
from service.studies.resending import NotARequestError, changed_request, request_of

router = APIRouter(
    prefix="/studies/{study_id}", tags=["studies"], responses={**PROBLEMS, **CONFLICT}
)

EXTENSION = {"seeds": 10, "weight_decays": [0.3, 3.0]}
SEARCH_EXTENSION = {"points": 100}
CHANGES = {"task": "digits-cnn", "budget": {"epochs": 40}}


@router.post("/cancel")
def cancel(study_id: StudyId, database: DatabaseOf, response: Response) -> StudyAnswer:
    """Cancel a queued or running study. Finished trials keep their results."""
    with database.write() as session:
        repository.cancel(session, study_id)
    return study_answer(database, study_id, response)


@router.post("/retry")
def retry(
    study_id: StudyId, database: DatabaseOf, settings: SettingsOf, response: Response
) -> StudyAnswer:
    """Try again what failed, and train what was left when the study was cancelled.

    Of a search, points that failed are forgotten: others are proposed in their place.
    """
    with database.write() as session:
        actions.retry(session, study_id, most=settings.max_studies_per_key)
    return study_answer(database, study_id, response)


@router.post(
    "/extend",
    response_model=StudyExtended | StudyPlan,
    responses={200: {"description": "The extended study; of a dry run, only what it would cost"}},
)
def extend(
    study_id: StudyId,
    extension: Annotated[
        StudyExtension,
        Body(
            openapi_examples={"grid": {"value": EXTENSION}, "search": {"value": SEARCH_EXTENSION}}
        ),
    ],
    database: DatabaseOf,
    settings: SettingsOf,
    dry_run: Annotated[bool, Query(description="Only say what it would cost.")] = False,
) -> Response:
    """Add seeds, rates or optimizers to a grid; points or seconds to a search.

    Only what is new is trained. A study that has ended is queued again, a grid that is in training
    goes on with more to do, and a search that is in training begins its open points again.
    Sending the same twice adds it once: the second answer is 409, nothing of it is new.
    """
    plan, added = _extend(database, study_id, extension, settings, dry_run)
    body = plan_answer(plan)
    if dry_run:
        return JSONResponse(body.model_dump(mode="json"))
    answer = Response()
    study = study_answer(database, study_id, answer)
    return JSONResponse(
        StudyExtended(**dict(body), added=added, study=study).model_dump(mode="json"),
        headers={"ETag": answer.headers["ETag"]},
    )


def _extend(
    database: Database,
    study_id: str,
    extension: StudyExtension,
    settings: Settings,
    dry_run: bool,
) -> tuple[costs.Plan, int]:
    """Extend a study; returns what it costs, and how many trials are new.

    Trials are named outside of the transaction, so that no other writer waits for it; a study that
    was changed meanwhile is looked at again.
    """
    while True:
        with database.read() as session:
            study = repository.row(session, study_id)
            before, spec = study.spec, repository.read_spec(study)
        found = extended(spec, extension, max_trials=settings.max_trials)
        for one in (spec, found):
            if isinstance(one, StudySpec):
                one.keyed  # noqa: B018 - as said above
        added = found.trial_count - spec.trial_count
        if dry_run:
            with database.read() as session:
                return costs.plan(session, found), added
        with database.write() as session:
            plan = costs.plan(session, found)
            most = settings.max_studies_per_key
            if actions.extend(session, study_id, before, found, most=most):
                return plan, added


@router.post("/clone", status_code=201, response_model=StudyCreated, responses=CREATED)
def clone(
    study_id: StudyId,
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    identity: IdentityOf,
    changes: Annotated[
        dict[str, Any] | None,
        Body(
            description="What is to be different: a JSON Merge Patch of what `/request` returns.",
            openapi_examples={"longer": {"value": CHANGES}},
        ),
    ] = None,
    dry_run: Annotated[bool, Query(description="Only say what it would cost.")] = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Send a study again as a new one, with changes; its name ends in "(copy)" unless given."""
    with database.read() as session:
        study = repository.row(session, study_id)
        body = request_of(repository.read_spec(study), read_details(session, study))
    try:
        wanted = changed_request(body, changes or {})
    except NotARequestError as error:
        raise RequestValidationError(
            [{**one, "loc": ("body", *one["loc"])} for one in error.cause.errors()]
        ) from error
    return create_from(
        resolve_any(wanted, max_trials=settings.max_trials),
        details_of(wanted, identity.key_id),
        request=request,
        database=database,
        dry_run=dry_run,
        idempotency_key=idempotency_key,
        most=settings.max_studies_per_key,
    )
