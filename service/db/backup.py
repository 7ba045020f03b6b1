"""Backups: one file that restores into either database.

A backup is a SQLite database with the tables as they were, of the revision they were, inside gzip,
whose checksum tells a damaged file. It can so be opened and read without this service, is brought
up to date by the ordinary migrations, and is taken while everything runs. Nothing here holds more
than a few thousand rows in memory.
"""

import gzip
import os
import secrets
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    MetaData,
    Table,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy import text as sql
from sqlalchemy.exc import DatabaseError

from service.db import schema
from service.db.base import Base, UTCDateTime, utcnow
from service.db.engine import Database
from service.db.tables.processes import HeartbeatRow, RunnerRow

ROWS = 2000
"""Rows on their way at once."""
BYTES = 2**20
SQLITE = b"SQLite format 3\0"
"""What a SQLite database begins with."""
GAP = 1_000_000
"""Numbers of events that are left out: more than are told between two backups."""
HEARD_OF = timedelta(seconds=30)
"""For how long a process that said nothing may still be at work."""

Progress = Callable[[str, int, int], None]
"""Told what is done: the part, how much of it, and of how much."""


class BackupError(Exception):
    """A backup cannot be written, read or restored. Its message says what to do."""


def silent(_: str, __: int, ___: int) -> None:
    """Tell nobody of progress."""


def backup(
    database: Database, file: Path, *, force: bool = False, progress: Progress = silent
) -> None:
    """Write a backup of one moment, while others read and write.

    The file is there whole, or not at all, and only its owner may read it.

    Args:
        database: What to back up.
        file: Where to write.
        force: Whether to replace a file that is there.
        progress: Told what is done.

    Raises:
        BackupError: There are no tables, no folder or no room for the file; or it is there already
            and `force` is false.
    """
    _refuse_place(file, force=force)
    revision = schema.current(database)
    if revision is None:
        raise BackupError("the database has no tables: there is nothing to back up")
    try:
        with _beside(file) as plain, _beside(file) as packed:
            if database.sqlite:
                _copy_sqlite(database, plain, progress)
            else:
                _copy_rows(database, plain, revision, progress)
            _pack(plain, packed, progress)
            packed.replace(file)
            _settle(file.parent)
    except (OSError, sqlite3.Error, DatabaseError) as error:
        raise BackupError(f"{file} cannot be written: {_why(error)}") from error


def restore(
    database: Database, file: Path, *, force: bool = False, progress: Progress = silent
) -> None:
    """Put what a backup holds into a database, in place of what is there: all of it, or nothing.

    Args:
        database: Where to; without tables, or with those of this version.
        file: As `backup` wrote it, by this version of the service or an older one.
        force: Whether to replace what the database holds.
        progress: Told what is done.

    Raises:
        BackupError: The file is damaged, of a newer version or no backup; or the database holds
            something and `force` is false; or a runner or scheduler is at work on it.
    """
    check_kind(file)
    target = Path(database.url.database or "") if database.sqlite else file
    with _beside(target) as plain:
        _unpack(file, plain, progress)
        source = _opened(plain, file)
        try:
            _refuse_while_used(database)
            if not force and (holds := _first_row(database)):
                raise BackupError(
                    f"the database holds something already ({holds}); --force replaces all of it"
                )
            _forget_processes(source)
            last = _leave_gap(source)
            if database.sqlite:
                _replace_sqlite(plain, database, progress)
            else:
                schema.upgrade(database)
                _replace_rows(source, database, last, progress)
        except (OSError, sqlite3.Error, DatabaseError) as error:
            raise BackupError(f"nothing was restored: {_why(error)}") from error
        finally:
            source.close()


def check_kind(file: Path) -> None:
    """Make sure that a file looks like a backup; that it is whole, restoring it tells.

    Raises:
        BackupError: It cannot be read, or is something else.
    """
    with _reading(file), gzip.open(file) as source:
        if source.read(len(SQLITE)) != SQLITE:
            raise BackupError(f"{file} holds no database of this service")


def _refuse_place(file: Path, *, force: bool) -> None:
    """Refuse to write where nothing can be, or where something is."""
    if file.is_dir():
        raise BackupError(f"{file} cannot be written: it is a folder; name a file in it")
    if not file.parent.is_dir():
        raise BackupError(f"{file} cannot be written: there is no folder {file.parent}; make it")
    if file.exists() and not force:
        raise BackupError(f"{file} is there already; --force replaces it")


def _refuse_while_used(database: Database) -> None:
    """Refuse where a process was heard of just now: what it holds in mind would not be so."""
    if schema.current(database) != schema.REVISIONS[-1]:
        return
    now = utcnow()
    with database.read() as session:
        for table in (RunnerRow, HeartbeatRow):
            # Any of them: the newest may be a dead one's, from before the clock was set back.
            lately = table.seen_at.between(now - HEARD_OF, now + HEARD_OF)
            if session.scalar(select(table.id).where(lately).limit(1)) is not None:
                raise BackupError(
                    "a runner or scheduler is at work on the database: stop the service before, "
                    f"or wait {HEARD_OF.total_seconds():.0f} s where it was killed"
                )


def _first_row(database: Database) -> str | None:
    """Name a table that holds something which somebody may miss."""
    if schema.current(database) is None:
        return None
    if schema.pending(database):
        return "tables of an older version: run `lpwd db upgrade`"
    with database.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            told = table.name in ("heartbeats", "counters")
            if not told and connection.execute(select(table).limit(1)).first() is not None:
                return table.name
    return None


def _copy_sqlite(database: Database, plain: Path, progress: Progress) -> None:
    """Copy as of one moment; writers go on meanwhile."""
    progress("copying", 0, 1)
    plain.unlink()  # it must not be there
    connection = sqlite3.connect(database.url.database or "", isolation_level=None)
    try:
        connection.execute("VACUUM INTO ?", (str(plain),))
    finally:
        connection.close()
    progress("copying", 1, 1)


def _copy_rows(database: Database, plain: Path, revision: str, progress: Progress) -> None:
    """Copy row by row, all as of one moment, into tables made by the same migrations."""
    copy = Database(f"sqlite:///{plain}")
    try:
        schema.upgrade(copy, revision)
        reader = database.engine.execution_options(isolation_level="REPEATABLE READ")
        with reader.connect() as source:
            found = MetaData()
            found.reflect(source)
            tables = [_portable(table) for table in _in_order(found)]
            for table in tables:
                with copy.write() as session:
                    _copy_table(table, source, session.connection(), progress)
        with copy.engine.connect() as connection:
            # The file alone, without a log beside it.
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
                "PRAGMA wal_checkpoint(TRUNCATE)"
            )
    finally:
        copy.close()


def _in_order(found: MetaData) -> list[Table]:
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def _portable(table: Table) -> Table:
    """Return a table in types that mean the same on both databases."""

    def portable(kind: Any) -> Any:
        if isinstance(kind, DateTime):
            return UTCDateTime()
        # What is nothing stays nothing, and does not become JSON's null.
        return JSON(none_as_null=True) if isinstance(kind, JSON) else kind.as_generic()

    columns = [Column(column.name, portable(column.type)) for column in table.columns]
    return Table(table.name, MetaData(), *columns)


def _copy_table(table: Table, source: Connection, to: Connection, progress: Progress) -> None:
    for rows, done, total in _batches(table, source):
        to.execute(insert(table), [dict(row) for row in rows])
        progress(table.name, done, total)


def _batches(table: Table, source: Connection) -> Iterator[tuple[list[Any], int, int]]:
    total = source.scalar(select(func.count()).select_from(table)) or 0
    result = source.execution_options(stream_results=True, yield_per=ROWS).execute(select(table))
    done = 0
    for partition in result.mappings().partitions():
        done += len(partition)
        yield list(partition), done, total


def _pack(plain: Path, packed: Path, progress: Progress) -> None:
    size = plain.stat().st_size
    done = 0
    with plain.open("rb") as source, packed.open("wb") as raw:
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=1) as target:
            while piece := source.read(BYTES):
                target.write(piece)
                done += len(piece)
                progress("packing", done, size)
        raw.flush()
        os.fsync(raw.fileno())


def _unpack(file: Path, plain: Path, progress: Progress) -> None:
    with _reading(file):
        size = file.stat().st_size
        with (
            file.open("rb") as raw,
            gzip.GzipFile(fileobj=raw) as source,
            plain.open("wb") as target,
        ):
            while piece := source.read(BYTES):
                target.write(piece)
                progress("unpacking", raw.tell(), size)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Tell what keeps a backup from being read."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BackupError(
            f"{file} is damaged, or no backup of this service ({error}); take another"
        ) from error
    except OSError as error:
        raise BackupError(f"{file} cannot be read: {_why(error)}") from error


def _opened(plain: Path, file: Path) -> Database:
    """Open what a backup held, and bring it up to date."""
    try:
        found = Database(f"sqlite:///{plain}")
        try:
            missing = schema.pending(found)
            if len(missing) == len(schema.REVISIONS):
                raise BackupError(f"{file} holds a database that is none of this service's")
            with found.engine.connect() as connection:
                wrong = connection.scalar(sql("PRAGMA quick_check(1)"))
            if wrong != "ok":
                raise BackupError(f"{file} holds a database that is damaged: {wrong}")
            if missing:
                schema.upgrade(found)
        except BaseException:
            found.close()
            raise
    except schema.UnknownRevisionError as error:
        raise BackupError(
            f"{file} comes from a newer version of this service: restore it with that"
        ) from error
    except DatabaseError as error:
        raise BackupError(f"{file} holds no database of this service: {_why(error)}") from error
    return found


def _forget_processes(restored: Database) -> None:
    """Forget who was at work on the database when the backup was made: nobody is on the copy."""
    with restored.write() as session:
        for table in (RunnerRow, HeartbeatRow):
            session.execute(delete(table))


def _leave_gap(restored: Database) -> int:
    """Have events go on at numbers that nobody has seen; returns the last that counts as used.

    Answers and streams of events go by these numbers, and some were told after the backup.
    """
    with restored.write() as session:
        used = session.scalar(sql("SELECT max(seq) FROM sqlite_sequence WHERE name = 'events'"))
        last = (used or 0) + GAP
        session.execute(sql("DELETE FROM sqlite_sequence WHERE name = 'events'"))
        session.execute(sql("INSERT INTO sqlite_sequence VALUES ('events', :last)"), {"last": last})
    return last


def _replace_sqlite(plain: Path, database: Database, progress: Progress) -> None:
    """Write all pages in one transaction, for which readers and writers wait."""
    source = sqlite3.connect(plain)
    target = sqlite3.connect(database.url.database or "", timeout=30)
    try:
        source.backup(
            target,
            pages=4096,
            progress=lambda _, left, whole: progress("restoring", whole - left, whole),
        )
    finally:
        target.close()
        source.close()


def _replace_rows(source: Database, database: Database, last: int, progress: Progress) -> None:
    """Replace all rows in one transaction."""
    tables = Base.metadata.sorted_tables
    with database.write() as session, source.engine.connect() as reading:
        names = ", ".join(table.name for table in tables)
        session.execute(sql(f"TRUNCATE {names} RESTART IDENTITY"))
        for table in tables:
            _copy_table(table, reading, session.connection(), progress)
        session.execute(
            sql("SELECT setval(pg_get_serial_sequence('events', 'id'), :last)"), {"last": last}
        )


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """Make a private file in the same folder, gone at the end where it is still there."""
    path = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield path
    finally:
        for one in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            one.unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """Make a new name in a folder outlive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _why(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return str(getattr(cause, "strerror", None) or cause).splitlines()[0]
