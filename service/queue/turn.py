"""How long a study may stay with its runner before another has its turn."""

import time
from collections.abc import Callable

from service.db import Database, clock
from service.queue.lease import Lease
from service.queue.order import should_yield

LOOK_EVERY = 2.0
"""Seconds between two looks at who waits."""


class Turn:
    """Asked between packs' epochs; knows the queue's rule, and when to look."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        *,
        seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin a turn, which lasts so many `seconds` if others of the same priority wait."""
        self._database = database
        self._lease = lease
        self._now = now
        self._ends = now() + seconds
        self._look = now() + LOOK_EVERY
        self._asked_once = False

    def over(self) -> bool:
        """Tell whether to give the study back.

        Only when whoever waits still does at the next look: an idle runner may be about to take it.
        """
        now = self._now()
        if now < self._look:
            return False
        self._look = now + LOOK_EVERY
        with self._database.read() as session:
            asked = should_yield(
                session,
                self._lease.study_id,
                clock.now(session),
                turn_over=now >= self._ends,
            )
        again, self._asked_once = self._asked_once and asked, asked
        return again
