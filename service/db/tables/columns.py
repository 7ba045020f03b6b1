"""Kinds of columns and indices that several tables have."""

from enum import StrEnum

from sqlalchemy import Enum, Index, text


def state_type(kind: type[StrEnum], name: str) -> Enum:
    """Make a column type that stores the value and lets the database check it."""
    return Enum(
        kind,
        values_callable=lambda states: [state.value for state in states],
        native_enum=False,
        create_constraint=True,
        name=name,
        length=16,
    )


def partial_index(name: str, *columns: str) -> Index:
    """Make an index of the rows in which the last of its columns holds something."""
    where = text(f"{columns[-1]} IS NOT NULL")
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)
