"""Whether the service can serve: each check says what it found, in words and as yes or no."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from dashboards.errors import RenderingError
from dashboards.rendering import Renderer
from service.db import Database, schema
from service.db.schema import UnknownRevisionError
from service.settings import Settings

LOCK_PATIENCE = 1.0
"""Seconds to wait for a writer of SQLite: a short write is no reason not to be ready."""
ROOM = 100 * 2**20
"""Bytes that must be free where the database lies."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    seconds: float


def look(database: Database, renderer: Renderer, settings: Settings) -> list[Check]:
    """Look at everything, one after the other; what needs a database that is not there is left."""
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("database", lambda: _answers(database)),
        ("tables", lambda: _current(database)),
        ("writable", lambda: _writable(database)),
        ("disk", lambda: _room(database, settings)),
        ("renderer", lambda: _draws(renderer)),
    )
    found: list[Check] = []
    for name, check in checks:
        if name in ("tables", "writable") and not found[0].ok:
            continue
        began = time.monotonic()
        try:
            ok, detail = True, check()
        except NotReadyError as error:
            ok, detail = False, str(error)
        found.append(Check(name, ok, detail, round(time.monotonic() - began, 4)))
    return found


class NotReadyError(Exception):
    """A check failed; its message says what is wrong and what to do."""


def _answers(database: Database) -> str:
    try:
        with database.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError) as error:
        raise NotReadyError(f"the database does not answer: {type(error).__name__}") from error
    return "answers"


def _current(database: Database) -> str:
    try:
        missing = schema.pending(database)
    except SQLAlchemyError as error:
        raise NotReadyError(f"the tables cannot be read: {type(error).__name__}") from error
    except UnknownRevisionError as error:
        raise NotReadyError(
            "the database has a migration that this version does not know"
        ) from error
    if missing:
        raise NotReadyError(f"the database lacks {len(missing)} migrations: run `lpwd db upgrade`")
    return "current"


def _writable(database: Database) -> str:
    return _sqlite_writable(database) if database.sqlite else _postgresql_writable(database)


def _sqlite_writable(database: Database) -> str:
    """Take the write lock, with a patience of its own, and let it go."""
    path = database.url.database or ""
    if not os.access(path, os.W_OK):
        raise NotReadyError("the database file cannot be written: give the service the right to")
    connection = sqlite3.connect(path, timeout=LOCK_PATIENCE, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise NotReadyError(
                f"another process has been writing for over {LOCK_PATIENCE:g} s"
            ) from error
        raise NotReadyError(f"the database cannot be written: {error}") from error
    finally:
        connection.close()
    return "can be written"


def _postgresql_writable(database: Database) -> str:
    try:
        with database.engine.connect() as connection:
            standby, read_only, may = connection.execute(
                text(
                    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only'), "
                    "has_table_privilege('alembic_version', 'SELECT') AND "
                    "has_table_privilege(to_regclass('studies'), 'INSERT')"
                )
            ).one()
    except SQLAlchemyError as error:
        raise NotReadyError(f"the database does not answer: {type(error).__name__}") from error
    if standby or read_only == "on":
        raise NotReadyError("the database is read-only: a standby, or set so")
    if may is False:
        raise NotReadyError("the database's user may not write to its tables")
    return "can be written"


def _room(database: Database, settings: Settings) -> str:
    folder = settings.data_dir
    if database.sqlite and database.url.database:
        folder = Path(database.url.database).parent
    while not folder.exists():  # made by whoever first writes there
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise NotReadyError(
            f"{free // 2**20} MiB are free where the data lies; make room for {ROOM // 2**20}"
        )
    return f"{free / 2**30:.1f} GiB free"


def _draws(renderer: Renderer) -> str:
    try:
        return renderer.look()
    except RenderingError as error:
        raise NotReadyError(str(error)) from error
