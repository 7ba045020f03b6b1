"""`/keys`."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Response

from service.access.identity import IdentityOf
from service.access.policy import policy_of
from service.app_state import DatabaseOf, KeyringOf, SettingsOf
from service.db import utcnow
from service.errors import InvalidRequestError
from service.keys import repository
from service.keys.schemas import KeyAnswer, KeyCreated, KeyRequest, WhoAmI
from service.problems import PROBLEMS
from service.studies.endpoints import CONFLICT

router = APIRouter(prefix="/keys", tags=["keys"], responses=PROBLEMS)

EXAMPLE = {"name": "alice", "role": "submitter", "expires_in_days": 90}


@router.get("")
def list_keys(database: DatabaseOf) -> list[KeyAnswer]:
    """List all keys, oldest first, without what they open. For admins."""
    with database.read() as session:
        return [KeyAnswer.model_validate(key) for key in repository.everything(session)]


@router.post("", status_code=201, responses=CONFLICT)
def create(
    key: Annotated[KeyRequest, Body(openapi_examples={"submitter": {"value": EXAMPLE}})],
    database: DatabaseOf,
    response: Response,
) -> KeyCreated:
    """Make a key. The answer is the only one that shows it. For admins."""
    with database.write() as session:
        made = repository.create(session, name=key.name, role=key.role, expires_at=_end(key))
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/api/v1/keys/{made.key.id}"
    return KeyCreated(**KeyAnswer.model_validate(made.key).model_dump(), token=made.token)


@router.get("/me")
def me(identity: IdentityOf, database: DatabaseOf, settings: SettingsOf) -> WhoAmI:
    """Tell who is asking, as far as the service knows, and what they may do."""
    key = None
    if identity.key_id is not None:
        with database.read() as session:
            key = KeyAnswer.model_validate(repository.read(session, identity.key_id))
    return WhoAmI(role=identity.role, key=key, access=policy_of(settings).mode)


@router.get("/{key_id}")
def read(key_id: str, database: DatabaseOf) -> KeyAnswer:
    """Return a key, without what it opens. For admins."""
    with database.read() as session:
        return KeyAnswer.model_validate(repository.read(session, key_id))


@router.post("/{key_id}/revoke")
def revoke(key_id: str, database: DatabaseOf, keyring: KeyringOf) -> KeyAnswer:
    """Make a key open nothing from now on. Its studies stay, its webhooks are disabled. Revoking
    twice is no error. For admins."""
    with database.write() as session:
        revoked = repository.revoke(session, key_id)
    keyring.forget()
    return KeyAnswer.model_validate(revoked)


@router.post("/{key_id}/rotate", responses=CONFLICT)
def rotate(key_id: str, database: DatabaseOf, keyring: KeyringOf, response: Response) -> KeyCreated:
    """Give a key a new secret: the old one opens nothing from now on, its studies stay its own. For
    admins."""
    with database.write() as session:
        made = repository.rotate(session, key_id)
    keyring.forget()
    response.headers["Cache-Control"] = "no-store"
    return KeyCreated(**KeyAnswer.model_validate(made.key).model_dump(), token=made.token)


def _end(request: KeyRequest) -> datetime | None:
    """Return when a key to make expires.

    Raises:
        InvalidRequestError: It would have expired already.
    """
    if request.expires_in_days is not None:
        return utcnow() + timedelta(days=request.expires_in_days)
    if request.expires_at is None:
        return None
    if request.expires_at <= utcnow():
        raise InvalidRequestError(
            f"{request.expires_at.isoformat()} has passed; name a moment to come",
            field="expires_at",
        )
    return request.expires_at
