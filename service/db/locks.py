"""Meeting points of transactions that must not overlap.

SQLite has one writer at a time. On PostgreSQL these are advisory locks, held until the commit.
"""

from enum import IntEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session


class Alone(IntEnum):
    """What one transaction at a time does; the number is PostgreSQL's name for it."""

    MIGRATE = 0x6C707764
    COMPOSE = 0x6C707765
    """Creating and deleting studies: which trials are wanted must not change meanwhile."""
    ANNOUNCE = 0x6C707766
    """Numbering events: a number must not become visible after a higher one."""


def alone(session: Session, what: Alone) -> None:
    """Wait until no other transaction does this; until the commit none will."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(int(what))))
