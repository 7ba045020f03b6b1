"""Webhooks and deliveries in the database."""

import secrets
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.access.model import Identity
from service.db import utcnow
from service.db.tables.keys import KeyRow
from service.db.tables.webhooks import DeliveryRow, WebhookRow
from service.errors import ConflictError, InvalidRequestError, NotFoundError
from service.keys.model import Role
from service.webhooks import outbox, signing
from service.webhooks.addresses import AddressError, Rules, check_url
from service.webhooks.model import DeliveryState
from service.webhooks.schemas import WebhookChange, WebhookRequest

MOST = 20
"""Webhooks that a key may have."""
BY_OWNER = "disabled by whoever made it"


def create(
    session: Session, request: WebhookRequest, identity: Identity, rules: Rules
) -> WebhookRow:
    """Make a webhook, with a secret of its own.

    Raises:
        InvalidRequestError: Nothing is sent to such an address.
        ConflictError: The key has as many as it may.
    """
    _check(request.url, rules)
    count = session.scalar(
        select(func.count())
        .select_from(WebhookRow)
        .where(WebhookRow.owner_id.is_not_distinct_from(identity.key_id))
    )
    if (count or 0) >= MOST:
        raise ConflictError(f"there are {count} webhooks of yours already: delete one before")
    made = WebhookRow(
        id=secrets.token_hex(6),
        owner_id=identity.key_id,
        url=request.url,
        events=[event.value for event in request.events],
        own_only=request.own_only,
        secret=signing.new_secret(),
        enabled=True,
        failures=0,
        created_at=utcnow(),
    )
    session.add(made)
    session.flush()
    return made


def everything(session: Session, identity: Identity) -> Sequence[WebhookRow]:
    """Return one's own webhooks, oldest first; for an admin all."""
    query = select(WebhookRow).order_by(WebhookRow.created_at, WebhookRow.id)
    if identity.role is not Role.ADMIN:
        query = query.where(WebhookRow.owner_id == identity.key_id)
    return session.scalars(query).all()


def read(session: Session, webhook_id: str, identity: Identity) -> WebhookRow:
    """Return one of one's own webhooks, for an admin any; or raise `NotFoundError`."""
    found = session.get(WebhookRow, webhook_id) if webhook_id.isalnum() else None
    if found is None or not identity.may_change(found.owner_id):
        raise NotFoundError(
            f"there is no webhook {webhook_id[:64]!r} of yours; GET /api/v1/webhooks lists them"
        )
    return found


def change(
    session: Session, webhook_id: str, request: WebhookChange, identity: Identity, rules: Rules
) -> WebhookRow:
    """Change a webhook.

    Raises:
        NotFoundError: It is none of one's own.
        InvalidRequestError: Nothing is sent to such an address.
        ConflictError: It cannot be enabled, as its key was revoked.
    """
    found = read(session, webhook_id, identity)
    if request.enabled is True:
        _check_key(session, found)
    if request.url is not None:
        _check(request.url, rules)
        found.url = request.url
    if request.events is not None:
        found.events = [event.value for event in request.events]
    if request.own_only is not None:
        found.own_only = request.own_only
    if request.enabled is True:
        found.enabled, found.failures, found.reason = True, 0, None
    elif request.enabled is False and found.enabled:
        outbox.disable(session, found, BY_OWNER)
    session.flush()
    return found


def rotate(session: Session, webhook_id: str, identity: Identity) -> WebhookRow:
    """Give a webhook a new secret. Raises as `read` does."""
    found = read(session, webhook_id, identity)
    found.secret = signing.new_secret()
    session.flush()
    return found


def test(session: Session, webhook_id: str, identity: Identity) -> DeliveryRow:
    """Have a webhook told of nothing in particular.

    Raises:
        NotFoundError: It is none of one's own.
        ConflictError: It is disabled.
    """
    found = read(session, webhook_id, identity)
    _check_enabled(found)
    return outbox.write(session, found.id, outbox.TEST, {"webhook": found.id})


def deliveries(
    session: Session,
    webhook_id: str,
    identity: Identity,
    *,
    state: DeliveryState | None,
    limit: int,
) -> Sequence[DeliveryRow]:
    """Return what a webhook was told last, newest first. Raises as `read` does."""
    read(session, webhook_id, identity)
    query = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id)
    if state is not None:
        query = query.where(DeliveryRow.state == state)
    newest = query.order_by(DeliveryRow.created_at.desc(), DeliveryRow.id).limit(limit)
    return session.scalars(newest).all()


def redeliver(
    session: Session, webhook_id: str, delivery_id: str, identity: Identity
) -> DeliveryRow:
    """Send something again, as often as the first time.

    Raises:
        NotFoundError: There is none of one's own.
        ConflictError: It waits already, or the webhook is disabled.
    """
    hook = read(session, webhook_id, identity)
    found = session.get(DeliveryRow, delivery_id) if delivery_id.isalnum() else None
    if found is None or found.webhook_id != hook.id:
        raise NotFoundError(
            f"there is no delivery {delivery_id[:64]!r} to this webhook; "
            f"GET /api/v1/webhooks/{hook.id}/deliveries lists them"
        )
    _check_enabled(hook)
    if found.state is DeliveryState.WAITING:
        raise ConflictError(f"delivery {found.id} waits to be sent already")
    found.state, found.attempts, found.next_at = DeliveryState.WAITING, 0, utcnow()
    found.finished_at = found.error = found.status = None
    session.flush()
    return found


def _check(url: str, rules: Rules) -> None:
    try:
        check_url(url, rules)
    except AddressError as error:
        raise InvalidRequestError(str(error), field="url") from error


def _check_key(session: Session, webhook: WebhookRow) -> None:
    owner = session.get(KeyRow, webhook.owner_id) if webhook.owner_id else None
    if owner is not None and owner.revoked_at is not None:
        raise ConflictError(
            f"webhook {webhook.id} was made with key {owner.name!r}, which is revoked: it would be "
            "told of nothing; make another with a key that is valid"
        )


def _check_enabled(webhook: WebhookRow) -> None:
    if not webhook.enabled:
        raise ConflictError(
            f"webhook {webhook.id} is disabled ({webhook.reason}): enable it before, with PATCH "
            '{"enabled": true}'
        )
