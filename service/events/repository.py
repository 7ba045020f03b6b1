"""Writing and reading a study's events."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.db import utcnow
from service.db.tables import EventRow

HEADER = ("header",)
"""State and progress."""
SUMMARIES = ("header", "robustness", "curves")
"""What every new result changes, besides its own panel."""


def panel(label: str) -> str:
    """Name the part of a page that shows one optimizer's map."""
    return f"panel:{label}"


@dataclass(frozen=True)
class Event:
    """Parts of a study that changed."""

    id: int
    """Ascending; a client that has seen it asks for what came after."""
    parts: tuple[str, ...]


def announce(session: Session, study_id: str, parts: Iterable[str]) -> None:
    """Say that these parts of a study have changed, when this transaction commits."""
    session.add(EventRow(study_id=study_id, parts=list(parts), created_at=utcnow()))


def since(session: Session, study_id: str, last: int) -> list[Event]:
    """Return a study's events after the one numbered `last`, oldest first."""
    rows = session.scalars(
        select(EventRow)
        .where(EventRow.study_id == study_id, EventRow.id > last)
        .order_by(EventRow.id)
        .limit(1000)
    )
    return [Event(row.id, tuple(row.parts)) for row in rows]


def revision(session: Session, study_id: str) -> int:
    """Return the number of a study's last event, 0 before the first.

    As long as it stays the same, so do the study and its results.
    """
    return session.scalar(select(func.max(EventRow.id)).where(EventRow.study_id == study_id)) or 0
