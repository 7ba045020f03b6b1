"""The scheduler process: fires schedules when their time has come."""

import logging
import math
import threading
import time
from contextlib import suppress

from sqlalchemy.exc import DBAPIError, OperationalError

from service.db import Database, utcnow
from service.db.counters import Heartbeat
from service.db.trouble import passing
from service.retention import prune
from service.runners.repository import sweep
from service.schedules import regression
from service.schedules.repository import any_due, fire_due, realign
from service.settings import Settings
from service.webhooks import delivering

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at the clock."""
BEAT_EVERY = 10.0
"""Seconds between two signs of life."""
PRUNE_FIRST = 300.0
"""Seconds after the start until what is older than it is kept is removed."""
PRUNE_EVERY = 86_400.0
"""Seconds from then on."""
SWEEP_EVERY = 60.0
"""Seconds between two looks for runners that are gone, and for a clock that was set back."""


def run(settings: Settings, stop: threading.Event) -> None:
    """Fire what is due until `stop` is set. All state is in the database: restart at will.

    Raises:
        TablesOutdatedError: The database's tables are not those of this version.
    """
    database = Database(settings.url)
    heart = Heartbeat(database, "scheduler")
    beaten = swept = -math.inf
    troubled = False
    prune_at = time.monotonic() + PRUNE_FIRST
    # Apart: a receiver that is slow, or a large study, delays no schedule.
    beside = [
        threading.Thread(target=delivering.run, args=(settings, stop), name="webhooks"),
        threading.Thread(target=regression.run, args=(settings, stop), name="comparisons"),
    ]
    for thread in beside:
        thread.start()
    try:
        while not stop.is_set():
            try:
                if time.monotonic() - beaten >= BEAT_EVERY:
                    heart.beat()
                    beaten = time.monotonic()
                tick(database, settings)
                if time.monotonic() >= prune_at:
                    prune_at = time.monotonic() + PRUNE_EVERY
                    _prune(database, settings)
                if time.monotonic() - swept >= SWEEP_EVERY:
                    sweep(database)
                    if moved := realign(database, utcnow()):
                        logger.warning(
                            "the clock was set back: %d schedules fire earlier than was planned",
                            moved,
                        )
                    swept = time.monotonic()
                troubled = False
            except DBAPIError as error:
                what = passing(error)
                if not troubled:
                    logger.warning("%s; trying again: %s", what, error.orig)
                troubled = True
            stop.wait(LOOK_EVERY)
        with suppress(OperationalError):
            heart.end()
    finally:
        stop.set()
        for thread in beside:
            thread.join()
        database.close()


def _prune(database: Database, settings: Settings) -> None:
    removed = {name: rows for name, rows in prune(database, settings).items() if rows}
    if removed:
        said = ", ".join(f"{rows:,} {name}" for name, rows in removed.items())
        logger.info("removed what is older than it is kept: %s", said)


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
