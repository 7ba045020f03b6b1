"""Insert rows that may be there already, alike on both databases."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.db.base import Base

ROWS = 2000
"""Rows sent at once."""


def insert_new(session: Session, table: type[Base], rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert the rows whose key is not there yet; leave the others as they are."""
    sqlite_ = session.get_bind().dialect.name == "sqlite"
    insert = sqlite.insert if sqlite_ else postgresql.insert
    statement = insert(table).on_conflict_do_nothing()
    remaining = iter(rows)
    while chunk := list(islice(remaining, ROWS)):
        session.execute(statement, chunk)
