"""The clock that leases are read by: the database's, which all runners share."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.db.base import utcnow


def now(session: Session) -> datetime:
    """Return the present time, aware, in UTC, by the clock of the machine that has the database.

    Runners on other machines may have other clocks. A SQLite file has this machine's.
    """
    if session.get_bind().dialect.name != "postgresql":
        return utcnow()
    found = session.scalar(select(func.clock_timestamp()))
    assert isinstance(found, datetime)  # noqa: S101 - PostgreSQL has a clock
    return found.astimezone(UTC)
