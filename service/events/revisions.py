"""Which state a study is in, asked for by many requests a second."""

import asyncio
from collections.abc import Sequence

from anyio import CapacityLimiter, to_thread
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.db import Database
from service.db.tables.studies import EventRow, StudyRow


def revisions(session: Session, study_ids: Sequence[str]) -> dict[str, int]:
    """Return the number of each study's last event, 0 before the first; none of unknown studies."""
    last = select(func.max(EventRow.id)).where(EventRow.study_id == StudyRow.id).scalar_subquery()
    rows = session.connection().execute(
        select(StudyRow.id, func.coalesce(last, 0)).where(StudyRow.id.in_(study_ids))
    )
    return {study_id: number for study_id, number in rows}  # noqa: C416 - rows are no pairs to mypy


class Revisions:
    """Reads the numbers of studies' last events, one query for all who ask meanwhile.

    An answer is never older than its question: whoever asks while a query runs waits for the next.
    To be used in one event loop.
    """

    def __init__(self, database: Database) -> None:
        """Read from `database`."""
        self._database = database
        self._asked: dict[str, asyncio.Future[int | None]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._limiter: CapacityLimiter | None = None

    async def current(self, study_id: str) -> int | None:
        """Return the number of a study's last event, 0 before the first; None without a study."""
        if not study_id.isalnum():
            return None
        future = self._asked.get(study_id)
        if future is None:
            future = self._asked[study_id] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(future)

    async def _read(self) -> None:
        # A thread of its own: those of other requests may all be busy with something slow.
        limiter = self._limiter = self._limiter or CapacityLimiter(1)
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                try:
                    found = await to_thread.run_sync(self._query, list(asked), limiter=limiter)
                except Exception as error:
                    _tell(asked, error)
                else:
                    for study_id, future in asked.items():
                        future.set_result(found.get(study_id))
        finally:
            self._reading = None

    def _query(self, study_ids: list[str]) -> dict[str, int]:
        with self._database.read() as session:
            return revisions(session, study_ids)


def _tell(asked: dict[str, asyncio.Future[int | None]], error: Exception) -> None:
    for future in asked.values():
        future.set_exception(error)
        future.exception()  # looked at, should nobody wait for it any more
