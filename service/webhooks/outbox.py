"""Writing down what webhooks are to be told, in the transaction in which it happens."""

import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from service.db import utcnow
from service.db.tables.keys import KeyRow
from service.db.tables.studies import StudyRow
from service.db.tables.webhooks import DeliveryRow, WebhookRow
from service.webhooks.model import DeliveryState, WebhookEvent

KEY_REVOKED = "the key that made it was revoked"
TEST = "test"
"""The event that a test sends."""


def enqueue(
    session: Session,
    event: WebhookEvent,
    data: Mapping[str, Any],
    *,
    owner_id: str | None = None,
) -> int:
    """Have every webhook that wants it told of an event, once this transaction commits.

    Args:
        session: Where it happens.
        event: What happens.
        data: What to tell, plain.
        owner_id: Whose study it is about: some webhooks want to know of their owner's alone.

    Returns:
        How many are told. Not those whose key has expired or was revoked.
    """
    told = (
        select(WebhookRow)
        .outerjoin(KeyRow, KeyRow.id == WebhookRow.owner_id)
        .where(
            WebhookRow.enabled,
            KeyRow.revoked_at.is_(None),
            or_(KeyRow.expires_at.is_(None), KeyRow.expires_at > utcnow()),
        )
    )
    hooks = session.scalars(told).all()
    wanted = [
        hook
        for hook in hooks
        if event in hook.events and (not hook.own_only or hook.owner_id == owner_id)
    ]
    for hook in wanted:
        write(session, hook.id, event, data)
    return len(wanted)


def write(session: Session, webhook_id: str, event: str, data: Mapping[str, Any]) -> DeliveryRow:
    """Have one webhook told of an event."""
    now = utcnow()
    made = DeliveryRow(
        id=secrets.token_hex(8),
        webhook_id=webhook_id,
        event=event,
        body={"type": event, "timestamp": now.isoformat(), "data": dict(data)},
        state=DeliveryState.WAITING,
        attempts=0,
        next_at=now,
        created_at=now,
    )
    session.add(made)
    session.flush()
    return made


def disable(session: Session, webhook: WebhookRow, reason: str) -> None:
    """Tell a webhook of nothing any more, and give up what it is still to be told."""
    webhook.enabled, webhook.reason = False, reason
    session.flush()
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.webhook_id == webhook.id, DeliveryRow.state == DeliveryState.WAITING)
        .values(
            state=DeliveryState.GIVEN_UP,
            next_at=None,
            finished_at=utcnow(),
            error=f"the webhook was disabled: {reason}",
        )
    )


def key_revoked(session: Session, key_id: str) -> None:
    """Disable the webhooks of a key that opens nothing any more: they read along, too."""
    made = (WebhookRow.owner_id == key_id, WebhookRow.enabled)
    for hook in session.scalars(select(WebhookRow).where(*made)).all():
        disable(session, hook, KEY_REVOKED)


def study_ended(session: Session, study_id: str) -> None:
    """Have webhooks told that a study has ended, whichever way: called wherever one does.

    Before events are announced, as it may wait for another transaction.
    """
    found = session.execute(
        select(StudyRow, KeyRow.name)
        .outerjoin(KeyRow, KeyRow.id == StudyRow.owner_id)
        .where(StudyRow.id == study_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        return
    study, owner = found
    moments = {"created_at": study.created_at, "started_at": study.started_at}
    moments["finished_at"] = study.finished_at
    enqueue(
        session,
        WebhookEvent.STUDY_ENDED,
        {
            "id": study.id,
            "name": study.name,
            "task": study.task,
            "state": study.state.value,
            "error": study.error,
            "owner": owner,
            "path": f"/studies/{study.id}",
        }
        | {name: None if at is None else at.isoformat() for name, at in moments.items()},
        owner_id=study.owner_id,
    )
