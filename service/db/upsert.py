"""Insert rows that may be there already, alike on both databases."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, cast

from sqlalchemy import Table
from sqlalchemy import text as sql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.db.base import Base

ROWS = 2000
"""Rows sent at once; and how many are so many that PostgreSQL takes them quicker as a copy."""
REMEMBERED = 100
"""Values of JSON that are written once for many rows."""

Row = Mapping[str, Any]
Converter = Callable[[Any], Any]


def insert_new(
    session: Session, table: type[Base], rows: Iterable[Row], *, key: Sequence[str] | None = None
) -> int:
    """Insert the rows whose key is not there yet; leave the others as they are.

    All rows have the same columns. SQLAlchemy's own way costs more for each row than the database
    does, and rows come by the hundred thousand: this speaks to the driver.

    Args:
        session: Where.
        table: Which.
        rows: What to insert.
        key: Columns that tell whether a row is there, with a constraint or an index that makes
            them unique; the primary key by default. Whatever else is to be unique and is not,
            is an error.

    Returns:
        How many rows were new.

    Raises:
        DBAPIError: As whatever else speaks to the database.
    """
    given = iter(rows)
    first = list(islice(given, ROWS))
    if not first:
        return 0
    session.flush()
    into = cast("Table", table.__table__)
    ready = _ready(session, into, list(first[0]), chain(first, given))
    sqlite = session.get_bind().dialect.name == "sqlite"
    there = f"ON CONFLICT ({_quoted(key or into.primary_key.columns.keys())}) DO NOTHING"
    with _errors_of_sqlalchemy(session, f"INSERT INTO {into.name}"):
        if not sqlite and len(first) == ROWS:
            return _copy(session, into, list(first[0]), ready, there)
        mark = "?" if sqlite else "%s"
        return _insert(session, into, list(first[0]), ready, there, mark)


@contextmanager
def _errors_of_sqlalchemy(session: Session, doing: str) -> Iterator[None]:
    """Raise what the driver raises as SQLAlchemy would: callers know its errors alone."""
    dialect = session.get_bind().dialect
    driver = cast("Any", dialect.loaded_dbapi)
    try:
        yield
    except driver.Error as error:
        raise DBAPIError.instance(doing, None, error, driver.Error, dialect=dialect) from error


def _insert(
    session: Session,
    table: Table,
    names: list[str],
    rows: Iterator[list[Any]],
    there: str,
    mark: str,
) -> int:
    marks = ", ".join([mark] * len(names))
    columns = _quoted(names)
    cursor = _cursor(session)
    try:
        cursor.executemany(
            f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks}) {there}',  # noqa: S608 - ours
            rows,
        )
        return int(cursor.rowcount)
    finally:
        cursor.close()


def _copy(
    session: Session, table: Table, names: list[str], rows: Iterator[list[Any]], there: str
) -> int:
    """Bring rows to PostgreSQL as it takes them quickest, then insert them there."""
    columns = _quoted(names)
    heap = f"new_{table.name}"
    connection = session.connection()
    connection.execute(
        sql(
            f"CREATE TEMP TABLE {heap} ON COMMIT DROP AS "  # noqa: S608 - our own names
            f'SELECT {columns} FROM "{table.name}" LIMIT 0'
        )
    )
    with _cursor(session) as cursor, cursor.copy(f"COPY {heap} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    done = connection.execute(
        sql(
            f'INSERT INTO "{table.name}" ({columns}) '  # noqa: S608 - our own names
            f"SELECT {columns} FROM {heap} {there}"
        )
    )
    connection.execute(sql(f"DROP TABLE {heap}"))
    return done.rowcount


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _cursor(session: Session) -> Any:
    return cast("Any", session.connection().connection.dbapi_connection).cursor()


def _ready(
    session: Session, table: Table, names: list[str], rows: Iterable[Row]
) -> Iterator[list[Any]]:
    """Yield rows as the driver takes them, values converted as SQLAlchemy does."""
    dialect = session.get_bind().dialect
    converters = []
    for name in names:
        kind = table.c[name].type
        convert = kind.dialect_impl(dialect).bind_processor(dialect)
        converters.append((name, convert if convert is None else _remembering(convert)))
    for row in rows:
        yield [
            row[name] if convert is None or row[name] is None else convert(row[name])
            for name, convert in converters
        ]


def _remembering(convert: Converter) -> Converter:
    """Convert the same object once, for as long as there are few."""
    known: dict[int, tuple[Any, Any]] = {}

    def remembered(value: Any) -> Any:
        found = known.get(id(value))
        if found is None:
            found = (value, convert(value))  # the value too: its id is another's once it is gone
            if len(known) < REMEMBERED:
                known[id(value)] = found
        return found[1]

    return remembered
