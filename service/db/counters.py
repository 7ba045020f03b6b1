"""Counters and signs of life of processes that nobody can ask: they have no port."""

import os
import secrets
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.db.base import utcnow
from service.db.engine import Database
from service.db.tables.processes import CounterRow, HeartbeatRow

LEASE_LOSSES = "lease_losses"
"""Studies whose runner fell silent, so that another took them."""


def count(session: Session, name: str, by: int = 1) -> None:
    """Add to a counter, when this transaction commits.

    On PostgreSQL the counter is locked until then: for what is rare.
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


def last_seen(session: Session, kind: str, host: str | None = None) -> datetime | None:
    """Return when a process of a kind was last heard of, on a host or anywhere."""
    query = select(func.max(HeartbeatRow.seen_at)).where(HeartbeatRow.kind == kind)
    if host is not None:
        query = query.where(HeartbeatRow.host == host)
    return session.scalar(query)
