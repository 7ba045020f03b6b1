"""`/webhooks`."""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response

from service.access.identity import IdentityOf
from service.app_state import DatabaseOf, SettingsOf
from service.problems import PROBLEMS
from service.studies.endpoints import CONFLICT
from service.webhooks import repository
from service.webhooks.addresses import rules_of
from service.webhooks.model import DeliveryState
from service.webhooks.schemas import (
    DeliveryAnswer,
    WebhookAnswer,
    WebhookChange,
    WebhookCreated,
    WebhookRequest,
)

router = APIRouter(prefix="/webhooks", tags=["webhooks"], responses=PROBLEMS)

EXAMPLE = {"url": "https://example.org/lpwd", "events": ["study.ended"]}
CHANGE = {"enabled": True}


@router.post("", status_code=201, responses=CONFLICT)
def create(
    webhook: Annotated[WebhookRequest, Body(openapi_examples={"ended": {"value": EXAMPLE}})],
    database: DatabaseOf,
    settings: SettingsOf,
    identity: IdentityOf,
    response: Response,
) -> WebhookCreated:
    """Have an address told of what happens. The answer is the only one that shows the secret."""
    with database.write() as session:
        made = repository.create(session, webhook, identity, rules_of(settings))
        answer = WebhookCreated.model_validate(made)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/api/v1/webhooks/{made.id}"
    return answer


@router.get("")
def list_webhooks(database: DatabaseOf, identity: IdentityOf) -> list[WebhookAnswer]:
    """List one's own webhooks, oldest first; for admins all."""
    with database.read() as session:
        found = repository.everything(session, identity)
        return [WebhookAnswer.model_validate(one) for one in found]


@router.get("/{webhook_id}")
def read(webhook_id: str, database: DatabaseOf, identity: IdentityOf) -> WebhookAnswer:
    """Return a webhook."""
    with database.read() as session:
        return WebhookAnswer.model_validate(repository.read(session, webhook_id, identity))


@router.patch("/{webhook_id}", responses=CONFLICT)
def change(
    webhook_id: str,
    webhook: Annotated[WebhookChange, Body(openapi_examples={"enable": {"value": CHANGE}})],
    database: DatabaseOf,
    settings: SettingsOf,
    identity: IdentityOf,
) -> WebhookAnswer:
    """Change a webhook. Enabling one that was disabled forgets that it failed; disabling one gives
    up what it was still to be told."""
    with database.write() as session:
        changed = repository.change(session, webhook_id, webhook, identity, rules_of(settings))
        return WebhookAnswer.model_validate(changed)


@router.delete("/{webhook_id}", status_code=204)
def delete(webhook_id: str, database: DatabaseOf, identity: IdentityOf) -> None:
    """Delete a webhook and the record of its deliveries."""
    with database.write() as session:
        session.delete(repository.read(session, webhook_id, identity))


@router.post("/{webhook_id}/rotate")
def rotate(
    webhook_id: str, database: DatabaseOf, identity: IdentityOf, response: Response
) -> WebhookCreated:
    """Give a webhook a new secret; from now on it signs what is sent."""
    with database.write() as session:
        changed = WebhookCreated.model_validate(repository.rotate(session, webhook_id, identity))
    response.headers["Cache-Control"] = "no-store"
    return changed


@router.post("/{webhook_id}/test", status_code=202, responses=CONFLICT)
def test(webhook_id: str, database: DatabaseOf, identity: IdentityOf) -> DeliveryAnswer:
    """Send a webhook a test; `deliveries` tells what came of it."""
    with database.write() as session:
        return DeliveryAnswer.model_validate(repository.test(session, webhook_id, identity))


@router.get("/{webhook_id}/deliveries")
def deliveries(
    webhook_id: str,
    database: DatabaseOf,
    identity: IdentityOf,
    state: Annotated[DeliveryState | None, Query(description="Only those in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Deliveries to return.")] = 100,
) -> list[DeliveryAnswer]:
    """List what a webhook was told last, newest first."""
    with database.read() as session:
        found = repository.deliveries(session, webhook_id, identity, state=state, limit=limit)
        return [DeliveryAnswer.model_validate(one) for one in found]


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202, responses=CONFLICT
)
def redeliver(
    webhook_id: str, delivery_id: str, database: DatabaseOf, identity: IdentityOf
) -> DeliveryAnswer:
    """Send something again that was delivered or given up."""
    with database.write() as session:
        again = repository.redeliver(session, webhook_id, delivery_id, identity)
        return DeliveryAnswer.model_validate(again)
