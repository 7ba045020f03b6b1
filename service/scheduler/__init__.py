"""The scheduler process: fires schedules when their time has come."""

import logging
import math
import threading
import time
from contextlib import suppress

from sqlalchemy.exc import OperationalError

from service.db import Database, utcnow
from service.db.counters import Heartbeat
from service.schedules.repository import any_due, fire_due
from service.settings import Settings

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at the clock."""
BEAT_EVERY = 10.0
"""Seconds between two signs of life."""


def run(settings: Settings, stop: threading.Event) -> None:
    """Fire what is due until `stop` is set. All state is in the database: restart at will."""
    database = Database(settings.url)
    heart = Heartbeat(database, "scheduler")
    beaten = -math.inf
    try:
        while not stop.is_set():
            try:
                if time.monotonic() - beaten >= BEAT_EVERY:
                    heart.beat()
                    beaten = time.monotonic()
                tick(database, settings)
            except OperationalError as error:
                logger.warning("the database does not answer, trying again: %s", error.orig)
            stop.wait(LOOK_EVERY)
        with suppress(OperationalError):
            heart.end()
    finally:
        database.close()


def tick(database: Database, settings: Settings) -> int:
    """Fire every schedule that is due now; returns how many fired."""
    with database.read() as session:
        if not any_due(session, utcnow()):
            return 0
    with database.write() as session:
        fired = fire_due(session, utcnow(), max_trials=settings.max_trials)
        for firing in fired:
            logger.info(
                "schedule %s fired for %s: %s",
                firing.schedule_id,
                firing.due_at.isoformat(),
                firing.error or f"study {firing.study_id}",
            )
        return len(fired)
