"""What a study in training writes down."""

import time
from collections.abc import Mapping, Sequence

from service.db import Database
from service.queue import Lease
from service.queue.results import Result, record

PROGRESS_EVERY = 1.0
"""Seconds between two notes of how far running packs have come."""


class Notes:
    """Results at once, progress now and then; either renews the lease."""

    def __init__(self, database: Database, lease: Lease) -> None:
        """Begin to count the time that workers train."""
        self._database = database
        self._lease = lease
        self._noted = 0.0
        self._counted = time.monotonic()
        self._trained = 0.0
        """Seconds of workers that are not written down yet."""
        self._described = ""
        """What the study trains on, as was last written down."""
        self.kept = False
        """Whether a checkpoint was put on disk since the last word to the database."""

    def due(self, busy: int) -> bool:
        """Count the time since this was last asked; returns whether progress is to be written.

        Args:
            busy: Workers that trained meanwhile.
        """
        now = time.monotonic()
        self._trained += (now - self._counted) * busy
        self._counted = now
        return now - self._noted >= PROGRESS_EVERY

    def write(
        self,
        results: Sequence[Result],
        progress: Mapping[str, int],
        *,
        seconds_left: float | None,
        device: str,
    ) -> None:
        """Write what is new since the last time.

        Args:
            results: Finished trials.
            progress: Key to epochs of trials in training.
            seconds_left: Estimate for the study; None while that cannot be told.
            device: What it trains on.

        Raises:
            LeaseLostError: The study is no longer this runner's; nothing was written.
        """
        record(
            self._database,
            self._lease,
            results=results,
            progress=progress,
            seconds_left=seconds_left,
            trained=self._trained,
            kept=self.kept,
            device=None if device == self._described else device,
        )
        self._trained, self.kept, self._described = 0.0, False, device
        self._noted = time.monotonic()
