"""Delivers what is due: claims it, sends it, writes down what came of it.

Several may do so at once: who claims a delivery moves its next try beyond the longest request, in a
transaction of which one succeeds. One that dies with a request under way leaves it to be tried
again, so that a receiver may be told twice, and tells a repetition by its id.
"""

import logging
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.exc import DBAPIError

from service.db import Database, utcnow
from service.db.tables.webhooks import DeliveryRow, WebhookRow
from service.settings import Settings
from service.webhooks import sending
from service.webhooks.addresses import Rules, rules_of
from service.webhooks.model import DeliveryState
from service.webhooks.outbox import disable
from service.webhooks.sending import Outcome

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
AT_ONCE = 8
"""Requests under way together, each to another webhook."""
CLAIMED_FOR = timedelta(seconds=60)
"""For which nobody else tries what one has claimed: longer than any request takes."""
FIRST = 10.0
"""Seconds after which a delivery that failed is tried again."""
FACTOR = 4.0
"""By which every further pause is longer."""
LONGEST = 6 * 3600.0
"""Seconds between two tries at most."""
SPREAD = 0.2
"""Share by which a pause may be shorter or longer than that."""


@dataclass(frozen=True)
class Claimed:
    """A delivery to try now."""

    id: str
    webhook_id: str
    url: str
    secret: str
    body: dict[str, Any]

    def __repr__(self) -> str:
        """Name the delivery, and not what signs it."""
        return f"Claimed({self.id})"


def run(settings: Settings, stop: threading.Event) -> None:
    """Deliver what is due until `stop` is set."""
    database = Database(settings.url)
    troubled = False
    try:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhooks") as pool:
            while not stop.is_set():
                sent = 0
                try:
                    sent = tick(database, settings, pool)
                    troubled = False
                except DBAPIError as error:
                    if not troubled:
                        logger.warning("webhooks wait for the database: %s", error.orig)
                    troubled = True
                if sent < AT_ONCE:
                    stop.wait(LOOK_EVERY)
    finally:
        database.close()


def tick(database: Database, settings: Settings, pool: ThreadPoolExecutor) -> int:
    """Try what is due, one delivery a webhook; returns how many were tried."""
    claimed = claim(database)
    tries = [(one, pool.submit(_try, one, rules_of(settings))) for one in claimed]
    for one, trying in tries:
        settle(database, settings, one, trying.result())
    return len(claimed)


def claim(database: Database) -> list[Claimed]:
    """Take deliveries that are due, one a webhook, so that nobody else tries them meanwhile."""
    now = utcnow()
    due = (
        select(DeliveryRow.id, DeliveryRow.webhook_id)
        .join(WebhookRow, WebhookRow.id == DeliveryRow.webhook_id)
        .where(
            DeliveryRow.state == DeliveryState.WAITING,
            _due(now),
            WebhookRow.enabled,
        )
        .order_by(DeliveryRow.next_at)
        .limit(50 * AT_ONCE)
    )
    with database.read() as session:
        first: dict[str, str] = {}
        for delivery_id, webhook_id in session.execute(due):
            first.setdefault(webhook_id, delivery_id)
        chosen = list(first.values())[:AT_ONCE]
    found = []
    for delivery_id in chosen:
        with database.write() as session:
            taken = session.scalar(
                update(DeliveryRow)
                .where(
                    DeliveryRow.id == delivery_id,
                    DeliveryRow.state == DeliveryState.WAITING,
                    _due(now),
                )
                .values(next_at=now + CLAIMED_FOR, attempts=DeliveryRow.attempts + 1)
                .returning(DeliveryRow.webhook_id)
            )
            hook = None if taken is None else session.get(WebhookRow, taken)
            if hook is not None:
                body = session.get_one(DeliveryRow, delivery_id).body
                found.append(Claimed(delivery_id, hook.id, hook.url, hook.secret, body))
    return found


def _due(now: datetime) -> ColumnElement[bool]:
    """Return whether a delivery is to be tried: its time has come, or the clock leapt back so far
    that no pause can be meant."""
    never = now + timedelta(seconds=LONGEST * (1 + SPREAD))
    return or_(DeliveryRow.next_at <= now, DeliveryRow.next_at > never)


def settle(database: Database, settings: Settings, one: Claimed, outcome: Outcome) -> None:
    """Write down what came of a try, and when the next is, if any."""
    with database.write() as session:
        # The webhook's row first: other deliveries of it are settled at the same time.
        hook = session.scalar(
            select(WebhookRow)
            .where(WebhookRow.id == one.webhook_id)
            .with_for_update(key_share=True)
        )
        delivery = session.get(DeliveryRow, one.id, populate_existing=True)
        if hook is None or delivery is None or delivery.state is not DeliveryState.WAITING:
            return  # deleted or disabled meanwhile
        delivery.status, delivery.error = outcome.status, outcome.error
        if outcome.delivered:
            delivery.state = DeliveryState.DELIVERED
            delivery.next_at, delivery.finished_at = None, utcnow()
            hook.failures = 0
            return
        if delivery.attempts < settings.webhook_attempts and not outcome.gone:
            delivery.next_at = utcnow() + timedelta(seconds=pause(delivery.attempts))
            return
        delivery.state = DeliveryState.GIVEN_UP
        delivery.next_at, delivery.finished_at = None, utcnow()
        hook.failures += 1
        session.flush()
        logger.warning(
            "webhook %s: gave up delivery %s after %d tries: %s",
            hook.id,
            one.id,
            delivery.attempts,
            outcome.error,
        )
        if outcome.gone:
            disable(session, hook, "the receiver answered 410: it wants to be told no more")
        elif hook.failures >= settings.webhook_failures:
            disable(
                session,
                hook,
                f"{hook.failures} deliveries in a row were given up; the last: {outcome.error}",
            )


def pause(attempts: int) -> float:
    """Return the seconds until the next try: longer every time, and not at the same moment for all.

    Args:
        attempts: Tries so far, at least 1.
    """
    longest = min(LONGEST, FIRST * FACTOR ** min(attempts - 1, 50))
    return longest * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 - spreads load, hides nothing


def _try(one: Claimed, rules: Rules) -> Outcome:
    return sending.deliver(one.url, one.secret, one.id, one.body, rules)
