"""`/studies`: sending, reading, changing and deleting them."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response

from service.access.identity import IdentityOf
from service.app_state import DatabaseOf, SettingsOf
from service.problems import PROBLEMS, problems
from service.search.planning import resolve_any
from service.search.schemas import AnyStudyRequest
from service.studies import changes, queries, repository
from service.studies.action_schemas import StudyChange
from service.studies.answering import CREATED, IdempotencyKey, StudyId, create_from, study_answer
from service.studies.answers import StudyAnswer, StudyCreated, StudyPageAnswer
from service.studies.details import details_of, read_details
from service.studies.fields import TAG
from service.studies.filter_parameters import wanted
from service.studies.filters import LONGEST_CURSOR
from service.studies.model import StudyFilter
from service.studies.resending import request_of

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
CHANGE_EXAMPLE = {"name": "Digits, wide", "tags": ["paper"], "note": "Figure 3", "priority": 10}
CONFLICT = problems(HTTPStatus.CONFLICT)
CHANGED = problems(HTTPStatus.PRECONDITION_FAILED)


@router.post("", status_code=201, response_model=StudyCreated, responses={**CREATED, **CONFLICT})
def create(
    study: Annotated[
        AnyStudyRequest,
        Body(openapi_examples={"grid": {"value": EXAMPLE}, "search": {"value": SEARCH_EXAMPLE}}),
    ],
    request: Request,
    database: DatabaseOf,
    settings: SettingsOf,
    identity: IdentityOf,
    dry_run: Annotated[bool, Query(description="Only say what it would cost.")] = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Send a study. Trials that have a result already are never trained again."""
    return create_from(
        resolve_any(study, max_trials=settings.max_trials),
        details_of(study, identity.key_id),
        request=request,
        database=database,
        dry_run=dry_run,
        idempotency_key=idempotency_key,
        most=settings.max_studies_per_key,
    )


@router.get("")
def list_studies(
    database: DatabaseOf,
    wanted: Annotated[StudyFilter, Depends(wanted)],
    cursor: Annotated[
        str | None,
        Query(
            max_length=LONGEST_CURSOR,
            description="`next_cursor` of the page before, which had the same order.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Studies on a page.")] = 50,
) -> StudyPageAnswer:
    """List studies. What is sent between two pages shifts nothing."""
    with database.read() as session:
        found = queries.page(session, wanted, cursor=cursor, limit=limit)
    return StudyPageAnswer.model_validate(found)


@router.get("/{study_id}", name="read_study")
def read(study_id: StudyId, database: DatabaseOf, response: Response) -> StudyAnswer:
    """Return a study and how far it has come.

    The `ETag` changes with what `PATCH` can change, not with progress.
    """
    return study_answer(database, study_id, response)


@router.patch("/{study_id}", responses=CHANGED)
def change(
    study_id: StudyId,
    change: Annotated[StudyChange, Body(openapi_examples={"note": {"value": CHANGE_EXAMPLE}})],
    database: DatabaseOf,
    response: Response,
    if_match: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=1000,
            pattern=r"^[\x20-\x7e]+$",
            description="The `ETag` last seen: refuses the change if somebody was quicker.",
        ),
    ] = None,
) -> StudyAnswer:
    """Change name, tags, note, priority or limits. What is left out stays."""
    with database.write() as session:
        changes.change(session, study_id, change, if_match)
    return study_answer(database, study_id, response)


TagPath = Annotated[str, Path(pattern=TAG, description="Lower case, digits and `._+-`.")]


@router.put("/{study_id}/tags/{tag}", responses=CONFLICT)
def add_tag(
    study_id: StudyId, tag: TagPath, database: DatabaseOf, response: Response
) -> StudyAnswer:
    """Tag a study. A tag that it has stays."""
    with database.write() as session:
        changes.add_tag(session, study_id, tag)
    return study_answer(database, study_id, response)


@router.delete("/{study_id}/tags/{tag}")
def remove_tag(
    study_id: StudyId, tag: TagPath, database: DatabaseOf, response: Response
) -> StudyAnswer:
    """Take a tag from a study. One that it does not have is no error."""
    with database.write() as session:
        changes.remove_tag(session, study_id, tag)
    return study_answer(database, study_id, response)


@router.get("/{study_id}/request")
def read_request(study_id: StudyId, database: DatabaseOf) -> dict[str, Any]:
    """Return the body for `POST /api/v1/studies` that sends this study again.

    Sent after the study was deleted, it brings a grid back: results of trials are kept.
    """
    with database.read() as session:
        study = repository.row(session, study_id)
        return request_of(repository.read_spec(study), read_details(session, study))


@router.delete("/{study_id}", status_code=204, responses=CONFLICT)
def delete(
    study_id: StudyId,
    database: DatabaseOf,
    cancel: Annotated[
        bool, Query(description="Cancel it before, if it is queued or running.")
    ] = False,
) -> None:
    """Delete a study that has ended. Results of its trials stay, for other studies to reuse.

    To undo it, read `/request` before and send that again; a search's points are gone.
    """
    with database.write() as session:
        repository.remove(session, study_id, cancelled=cancel)
