"""Telling by one's own clock that a lease is no longer renewed."""

import time
from datetime import datetime

from sqlalchemy import select

from service.db import Database
from service.db.tables.studies import StudyRow
from service.studies.model import StudyState

PATIENCE = 2
"""Leases that must pass without a renewal."""


class Watch:
    """Follows the leases that others hold, by a clock that only ever moves on.

    When the database's clock leaps backward, the lease of a runner that is gone seems to last for
    long. But it is not renewed any more, and that shows by any clock.
    """

    def __init__(self, seconds: float) -> None:
        """Know nothing yet. A lease lasts so many `seconds`."""
        self._patience = PATIENCE * seconds
        self._seen: dict[str, tuple[datetime, float]] = {}

    def silent(self, database: Database) -> dict[str, datetime]:
        """Return studies whose lease has not moved for long, with the expiry that was seen."""
        with database.read() as session:
            leases = session.execute(
                select(StudyRow.id, StudyRow.lease_expires_at).where(
                    StudyRow.state == StudyState.RUNNING, StudyRow.lease_expires_at.is_not(None)
                )
            ).all()
        now = time.monotonic()
        before, self._seen = self._seen, {}
        for study_id, expires_at in leases:
            assert expires_at is not None  # noqa: S101 - the query says so
            known = before.get(study_id)
            moved = known is None or known[0] != expires_at
            self._seen[study_id] = (expires_at, now) if known is None or moved else known
        return {
            study_id: expires_at
            for study_id, (expires_at, since) in self._seen.items()
            if now - since > self._patience
        }
