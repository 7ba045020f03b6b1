"""Which studies a list shows, and in which order: as conditions for the database."""

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from service.db.tables.keys import KeyRow
from service.db.tables.studies import StudyRow, TagRow
from service.errors import InvalidRequestError
from service.studies.model import StudyFilter, StudyOrder

LONGEST_CURSOR = 2000
ESCAPE = "\\"


def conditions(wanted: StudyFilter, *, sqlite: bool) -> list[ColumnElement[bool]]:
    """Return what a study's row must meet.

    Args:
        wanted: The filter.
        sqlite: Whether for SQLite; PostgreSQL looks into JSON with other functions.
    """
    found: list[ColumnElement[bool]] = []
    if wanted.states:
        found.append(StudyRow.state.in_(wanted.states))
    if wanted.task is not None:
        found.append(StudyRow.task == wanted.task)
    if wanted.optimizer is not None:
        found.append(_has_optimizer(wanted.optimizer, sqlite=sqlite))
    if wanted.owner is not None:
        found.append(StudyRow.owner_id.in_(select(KeyRow.id).where(KeyRow.name == wanted.owner)))
    for tag in wanted.tags:
        found.append(exists().where(TagRow.study_id == StudyRow.id, TagRow.tag == tag))
    if wanted.text is not None:
        found.append(_says(wanted.text))
    if wanted.created_after is not None:
        found.append(StudyRow.created_at >= wanted.created_after)
    if wanted.created_before is not None:
        found.append(StudyRow.created_at < wanted.created_before)
    return found


def _has_optimizer(name: str, *, sqlite: bool) -> ColumnElement[bool]:
    """A grid's spec has `variants`, a search's `optimizers`, both with `name` and `label`."""
    lists: Iterator[ColumnElement[Any]]
    if sqlite:
        lists = (func.json_extract(StudyRow.spec, path) for path in ("$.variants", "$.optimizers"))
        each = func.json_each(func.coalesce(*lists)).table_valued("value")
        said = [func.json_extract(each.c.value, path) == name for path in ("$.label", "$.name")]
    else:
        lists = (StudyRow.spec.op("->")(key) for key in ("variants", "optimizers"))
        each = func.json_array_elements(func.coalesce(*lists)).table_valued("value")
        said = [each.c.value.op("->>")(key) == name for key in ("label", "name")]
    return exists(select(1).select_from(each).where(or_(*said)))


def _says(text: str) -> ColumnElement[bool]:
    """The database makes both sides small, so that they agree on what that is."""
    for special in (ESCAPE, "%", "_"):
        text = text.replace(special, ESCAPE + special)
    pattern = func.lower(f"%{text}%")
    columns = (StudyRow.name, StudyRow.note, StudyRow.id)
    return or_(*(func.lower(column).like(pattern, escape=ESCAPE) for column in columns))


Column = InstrumentedAttribute[Any]
_KEYS: dict[StudyOrder, tuple[bool, tuple[Column, ...]]] = {
    StudyOrder.NEWEST: (True, (StudyRow.created_at, StudyRow.id)),
    StudyOrder.OLDEST: (False, (StudyRow.created_at, StudyRow.id)),
    StudyOrder.NAME: (False, (StudyRow.name, StudyRow.id)),
    StudyOrder.PRIORITY: (True, (StudyRow.priority, StudyRow.created_at, StudyRow.id)),
}
"""Order to whether it descends, and by which columns; the last makes it unambiguous."""


def ordering(order: StudyOrder) -> list[ColumnElement[Any]]:
    """Return what to order by."""
    descending, columns = _KEYS[order]
    return [column.desc() if descending else column.asc() for column in columns]


def cursor_after(last: StudyRow, order: StudyOrder) -> str:
    """Return where the page after the one that ends with `last` begins."""
    _, columns = _KEYS[order]
    values = [getattr(last, column.key) for column in columns]
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps([order, *plain]).encode()).decode()


def after(cursor: str, order: StudyOrder) -> ColumnElement[bool]:
    """Return the condition for what comes after a cursor.

    Raises:
        InvalidRequestError: The cursor is none of ours, or comes from a list in another order.
    """
    descending, columns = _KEYS[order]
    values = _read(cursor, order, columns)
    ways = [
        and_(
            *(c == v for c, v in zip(columns[:n], values[:n], strict=True)),
            columns[n] < values[n] if descending else columns[n] > values[n],
        )
        for n in range(len(columns))
    ]
    # Implied by the others; an index gets to the place by it.
    first = columns[0] <= values[0] if descending else columns[0] >= values[0]
    return and_(true(), first, or_(*ways))


def _read(cursor: str, order: StudyOrder, columns: Sequence[Column]) -> list[Any]:
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError
        told, *values = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        if told != order:
            raise ValueError
        return [_value(c.key, value) for c, value in zip(columns, values, strict=True)]
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise InvalidRequestError(
            f"cursor {cursor[:80]!r} is not one of this service's for the order {order}; "
            "leave it out to start anew",
            field="cursor",
        ) from error


def _value(column: str, value: Any) -> Any:
    """Return what a cursor says of a column. Raises `ValueError` or `TypeError` for nonsense."""
    if column == StudyRow.created_at.key:
        return datetime.fromisoformat(value).astimezone(UTC)
    if column == StudyRow.priority.key:
        if type(value) is not int or abs(value) > 100:
            raise ValueError
        return value
    if not isinstance(value, str):
        raise ValueError
    if "\0" in value or (column == StudyRow.id.key and not value.isalnum()):
        raise ValueError
    value.encode()  # no lone surrogates
    return value
