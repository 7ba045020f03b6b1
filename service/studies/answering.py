"""What the endpoints of studies share: parameters, and the answers that they give."""

from typing import Annotated, Any

from fastapi import Header, Path, Request, Response
from fastapi.responses import JSONResponse

from service.db import Database
from service.request_log import MADE
from service.search.planning import SearchSpec
from service.studies import costs, creating, queries
from service.studies.answers import StudyAnswer, StudyCreated, StudyPlan
from service.studies.details import version
from service.studies.model import Details
from service.studies.planning import StudySpec
from service.studies.repository import row

StudyId = Annotated[str, Path(description="As `GET /api/v1/studies` lists it.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes sending twice create once: the second answer is the first's study.",
    ),
]
CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": StudyPlan | StudyCreated, "description": "A dry run, or a study sent before"}
}


def study_answer(database: Database, study_id: str, response: Response) -> StudyAnswer:
    """Return a study with its `ETag`. Raises `NotFoundError`."""
    with database.read() as session:
        found = queries.summary(session, study_id)
    response.headers["ETag"] = version(
        name=found.name,
        tags=found.tags,
        note=found.note,
        priority=found.priority,
        limits=found.limits,
    )
    return StudyAnswer.model_validate(found)


def plan_answer(plan: costs.Plan) -> StudyPlan:
    """Return what a study costs, in JSON."""
    return StudyPlan(
        trials=plan.trials,
        known=plan.known,
        missing=plan.missing,
        estimated_worker_seconds=plan.estimated_worker_seconds,
        points=plan.points,
        epochs=plan.epochs,
        spec=plan.spec.to_json(),
    )


def create_from(
    spec: StudySpec | SearchSpec,
    details: Details,
    *,
    request: Request,
    database: Database,
    dry_run: bool,
    idempotency_key: str | None,
    most: int | None,
) -> Response:
    """Create a study, or say what it would cost; `most` is how many unfinished ones its owner may
    have at once."""
    if isinstance(spec, StudySpec):
        spec.keyed  # noqa: B018 - hashed here, so that no other writer waits for it
    if dry_run:
        with database.read() as session:
            plan = plan_answer(costs.plan(session, spec))
        return JSONResponse(plan.model_dump(mode="json"))
    with database.write() as session:
        study_id, new = creating.create_once(session, spec, idempotency_key, details, most=most)
        known = row(session, study_id).reused if new else None
        planned = costs.plan(session, spec, known=known)
    setattr(request.state, MADE, study_id)
    answer = Response()
    body = StudyCreated(
        **dict(plan_answer(planned)), study=study_answer(database, study_id, answer)
    )
    location = str(request.url_for("read_study", study_id=study_id).path)
    return JSONResponse(
        body.model_dump(mode="json"),
        status_code=201 if new else 200,
        headers={"Location": location, "ETag": answer.headers["ETag"]},
    )
