"""Counters and signs of life of processes that nobody can ask: they have no port."""

import os
import secrets
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.db.base import utcnow
from service.db.engine import Database
from service.db.tables.processes import CounterRow, HeartbeatRow

LEASE_LOSSES = "lease_losses"
"""Studies whose runner fell silent, so that another took them."""
AHEAD = timedelta(seconds=30)
"""By which another machine's clock may be ahead."""


def count(session: Session, name: str, by: int = 1) -> None:
    """Add to a counter, when this transaction commits.

    On PostgreSQL the counter is locked until then: count shortly before.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement: Any = insert(CounterRow).values(name=name, value=by)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_={"value": CounterRow.value + by}
        )
    )


def counters(session: Session) -> Mapping[str, int]:
    """Return all counters; one that never counted is not there."""
    return {row.name: row.value for row in session.scalars(select(CounterRow))}


class Heartbeat:
    """A process that says now and then that it is alive."""

    def __init__(self, database: Database, kind: str) -> None:
        """Be a process of a kind, such as ``scheduler``."""
        self._database = database
        self._row = {
            "id": secrets.token_hex(8),
            "kind": kind,
            "host": socket.gethostname()[:200],
            "pid": os.getpid(),
            "started_at": utcnow(),
        }

    def beat(self) -> None:
        """Say it."""
        with self._database.write() as session:
            session.merge(HeartbeatRow(**self._row, seen_at=utcnow()))

    def end(self) -> None:
        """Say that it ends, in good order."""
        with self._database.write() as session:
            session.execute(delete(HeartbeatRow).where(HeartbeatRow.id == self._row["id"]))


def last_seen(session: Session, kind: str) -> datetime | None:
    """Return when a process of a kind was last heard of.

    What was said in the future was said before the clock was set back, by one that may be gone
    since: it does not count.
    """
    return session.scalar(
        select(func.max(HeartbeatRow.seen_at)).where(
            HeartbeatRow.kind == kind, HeartbeatRow.seen_at <= utcnow() + AHEAD
        )
    )
