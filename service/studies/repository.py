"""Studies in the database: finding, cancelling and removing them."""

from collections.abc import Sequence

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from service.db import utcnow
from service.db.locks import Alone, alone
from service.db.tables.studies import StudyRow, StudyTrialRow, TrialRow
from service.errors import ConflictError, NotFoundError
from service.events.repository import HEADER, announce
from service.search.planning import MODE, SearchSpec
from service.studies.model import StudyState, leading_to
from service.studies.planning import StudySpec
from service.studies.trial_rows import chunks, release_trials
from service.trials.model import TrialState
from service.webhooks.outbox import study_ended


def load_spec(session: Session, study_id: str) -> StudySpec:
    """Return what a grid asks for.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It is a search.
    """
    spec = row(session, study_id).spec
    if spec.get("mode") == MODE:
        raise ConflictError(
            f"study {study_id} is a search, which has no map: its results are at "
            f"/api/v1/studies/{study_id}/search and /api/v1/studies/{study_id}/points"
        )
    return StudySpec.from_json(spec)


def read_spec(study: StudyRow) -> StudySpec | SearchSpec:
    """Return what a study asks for, whichever its mode."""
    if study.spec.get("mode") == MODE:
        return SearchSpec.from_json(study.spec)
    return StudySpec.from_json(study.spec)


def locked(session: Session, study_id: str) -> StudyRow:
    """Return a study's row as it is now; until the commit nobody else changes it.

    Whoever also needs to be alone takes that before: in this order no two wait for each other.

    Raises:
        NotFoundError: There is no such study.
    """
    # As an update locks it, so that events may refer to it meanwhile.
    query = (
        select(StudyRow)
        .where(StudyRow.id == study_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    found = session.scalar(query) if study_id.isalnum() else None
    if found is None:
        raise _no_such(study_id)
    return found


def row(session: Session, study_id: str) -> StudyRow:
    """Return a study's row, or raise `NotFoundError`."""
    found = session.get(StudyRow, study_id) if study_id.isalnum() else None
    if found is None:
        raise _no_such(study_id)
    return found


def unfinished(session: Session, study_ids: Sequence[str]) -> set[str]:
    """Return those of the studies that there are, and that have not ended."""
    found: set[str] = set()
    for chunk in chunks(study_ids):
        rows = session.execute(
            select(StudyRow.id, StudyRow.state).where(StudyRow.id.in_(chunk))
        ).all()
        found |= {study_id for study_id, state in rows if not state.final}
    return found


def _no_such(study_id: str) -> NotFoundError:
    return NotFoundError(f"there is no study {study_id[:64]!r}; GET /api/v1/studies lists them")


def cancel(session: Session, study_id: str) -> None:
    """Cancel a queued or running study; what is finished stays. Cancelling twice is no error.

    A running study's lease is taken from its runner, which stops at its next word.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It has ended otherwise.
    """
    if not study_id.isalnum():
        raise _no_such(study_id)
    changed = session.execute(
        update(StudyRow)
        .where(
            StudyRow.id == study_id,
            StudyRow.state.in_(leading_to(StudyState.CANCELLED)),
        )
        .values(
            state=StudyState.CANCELLED,
            finished_at=utcnow(),
            lease_token=None,
            lease_expires_at=None,
        )
        .returning(StudyRow.id)
    ).all()
    if changed:
        study_ended(session, study_id)
        release_trials(session, study_id)
        announce(session, study_id, HEADER)
        return
    state = row(session, study_id).state
    if state is not StudyState.CANCELLED:
        raise ConflictError(f"study {study_id} is {state}: only queued or running can be cancelled")


def remove(session: Session, study_id: str, *, cancelled: bool = False) -> None:
    """Delete a study that has ended, and trials without a result that no other study wants.

    Results stay: another study may ask for the same trials.

    Args:
        session: Where.
        study_id: The study.
        cancelled: Whether to cancel it before, if it is queued or running.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It is queued or running, and not to be cancelled.
    """
    alone(session, Alone.COMPOSE)
    state = locked(session, study_id).state
    if not state.final:
        if not cancelled:
            raise ConflictError(
                f"study {study_id} is {state}: cancel it before you delete it, or delete it with "
                "?cancel=true"
            )
        cancel(session, study_id)
    alone(session, Alone.ANNOUNCE)
    keys = list(
        session.scalars(
            select(StudyTrialRow.trial_key)
            .join(TrialRow, TrialRow.key == StudyTrialRow.trial_key)
            .where(
                StudyTrialRow.study_id == study_id,
                TrialRow.state.in_([TrialState.PENDING, TrialState.FAILED]),
            )
        )
    )
    session.execute(delete(StudyRow).where(StudyRow.id == study_id))
    wanted = exists().where(StudyTrialRow.trial_key == TrialRow.key)
    for chunk in chunks(keys):
        session.execute(delete(TrialRow).where(TrialRow.key.in_(chunk), ~wanted))
