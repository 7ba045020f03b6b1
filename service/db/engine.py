"""Connections and transactions, on SQLite and on PostgreSQL."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

BUSY_TIMEOUT = 30.0
"""Seconds that one waits for another's lock: of a SQLite file, or of a row or table."""
CROWDED = 2.0
"""Seconds a writer waits where as many as may wait for the lock do so already."""
CONNECTIONS = 10
"""Connections kept open; as many again for a moment. More than there are threads to use them."""
CACHE = 512
"""KiB of pages that a SQLite connection keeps: the system keeps the file for all of them."""
WRITING = "lpwd_writing"


class Database:
    """An engine and its two kinds of transaction.

    `read` sees one consistent state; `write` commits at the end of its block, or not at all.
    """

    def __init__(self, url: str, *, writers: int | None = None) -> None:
        """Open the database; a SQLite file is made on first use, a URL's password is never shown.

        Args:
            url: SQLAlchemy's.
            writers: How many of this process's threads may write, or wait to, at once, so that
                others are left to read while another process keeps the database locked.

        Raises:
            sqlalchemy.exc.ArgumentError: The URL is not one of SQLAlchemy's.
        """
        parsed = make_url(url)
        if parsed.drivername in {"postgresql", "postgres"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.url = parsed
        self.sqlite = parsed.get_backend_name() == "sqlite"
        if self.sqlite and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self._writers = threading.Semaphore(writers) if writers else None
        self.engine = _sqlite(parsed) if self.sqlite else _postgresql(parsed)
        self._writer = self.engine.execution_options(**{WRITING: True})
        # SQLite's readers see one state anyhow, from their first statement on.
        self._reader = (
            self.engine
            if self.sqlite
            else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )

    @property
    def address(self) -> str:
        """The URL with its password, for another process of this service; never shown."""
        return self.url.render_as_string(hide_password=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session for queries; what is changed in it is dropped."""
        with Session(self._reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session that commits when its block ends, and rolls back when that raises."""
        with (
            self._place(),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Be one of those who may write, for the length of a block."""
        if self._writers is None:
            yield
            return
        if not self._writers.acquire(timeout=CROWDED):
            # In SQLite's words on either database: `service.db.trouble` knows them.
            locked = sqlite3.OperationalError("database is locked, and many wait for it already")
            raise OperationalError("BEGIN", None, locked)
        try:
            yield
        finally:
            self._writers.release()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _sqlite(url: Any) -> Engine:
    engine = create_engine(
        url, connect_args={"timeout": BUSY_TIMEOUT}, poolclass=QueuePool, pool_size=CONNECTIONS
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # Transactions are begun below, not by the driver, which would begin them too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA cache_size=-{CACHE}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the lock at once: upgrading a read lock later fails under contention.
        writing = connection.get_execution_options().get(WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _postgresql(url: Any) -> Engine:
    engine = create_engine(url, pool_pre_ping=True, pool_size=CONNECTIONS)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # By itself it waits for ever.
        connection.execute(f"SET lock_timeout = {round(1000 * BUSY_TIMEOUT)}")
        connection.commit()

    return engine
