"""Writing and reading a study's events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.db import utcnow
from service.db.locks import Alone, alone
from service.db.tables.studies import EventRow, StudyRow, StudyTrialRow, TrialRow
from service.studies.planning import StudySpec, settings_of

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
    """Say that these parts of a study have changed, when this transaction commits.

    Nothing that may wait for another transaction comes after this.
    """
    alone(session, Alone.ANNOUNCE)
    session.add(EventRow(study_id=study_id, parts=list(parts), created_at=utcnow()))


def announce_trials(
    session: Session, keys: Sequence[str], parts: Sequence[str], *, besides: str | None = None
) -> None:
    """Say in every study that these trials belong to that they have changed.

    Args:
        session: Where they changed; as for `announce`, nothing that may wait comes after.
        keys: The trials.
        parts: What has changed besides the panels they are on.
        besides: A study that knows already.
    """
    if not keys:
        return
    alone(session, Alone.ANNOUNCE)  # none of the studies found is deleted meanwhile
    where = session.execute(
        select(StudyTrialRow.study_id, TrialRow.optimizer, TrialRow.hyperparameters)
        .join(TrialRow, TrialRow.key == StudyTrialRow.trial_key)
        .where(StudyTrialRow.trial_key.in_(keys), StudyTrialRow.study_id != (besides or ""))
    )
    variants: dict[str, set[tuple[str, str]]] = {}
    for study_id, optimizer, hyperparameters in where:
        variants.setdefault(study_id, set()).add(settings_of(optimizer, hyperparameters))
    for study_id, changed in variants.items():
        study = session.get_one(StudyRow, study_id)
        if study.spec.get("mode") == "search":
            continue  # of whose trials all are known, and stay as they are
        spec = StudySpec.from_json(study.spec)
        labels = [panel(one.label) for one in spec.variants if one.settings in changed]
        announce(session, study_id, [*parts, *labels])


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

    As long as it stays the same, so do the states and results of its trials.
    """
    return session.scalar(select(func.max(EventRow.id)).where(EventRow.study_id == study_id)) or 0
