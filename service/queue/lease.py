"""Claiming a study and holding it."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.orm import Session

from service.db import Database, utcnow
from service.db.tables import StudyRow, StudyTrialRow, TrialRow
from service.errors import LeaseLostError
from service.events.repository import HEADER, announce
from service.studies.model import StudyState
from service.studies.repository import release_trials
from service.trials.model import KNOWN, TrialState


class Lease:
    """The right to train a study and to write its results, until it expires or is taken away."""

    def __init__(self, study_id: str, token: str, seconds: float) -> None:
        self.study_id = study_id
        self.token = token
        self._duration = timedelta(seconds=seconds)

    def renew(self, session: Session) -> None:
        """Prove that the lease is held and extend it: the first statement of every write.

        Raises:
            LeaseLostError: Another runner has the study, or it was cancelled or deleted.
        """
        held = session.execute(
            update(StudyRow)
            .where(StudyRow.id == self.study_id, StudyRow.lease_token == self.token)
            .values(lease_expires_at=utcnow() + self._duration)
            .returning(StudyRow.id)
        ).all()
        if not held:
            raise LeaseLostError(f"study {self.study_id} is no longer this runner's")

    def estimate(self, session: Session, seconds_left: float | None) -> None:
        """Note how long the study still takes, as of now; None while that cannot be told."""
        session.execute(
            update(StudyRow)
            .where(StudyRow.id == self.study_id)
            .values(seconds_left=seconds_left, estimated_at=utcnow())
        )

    def finish(self, session: Session) -> StudyState | None:
        """End the study if nothing is left to do, and give up the lease.

        Returns:
            Done or failed; None while trials are pending, or running for another study.
        """
        self.renew(session)
        # Trials that another study left behind when its runner died are for this one to train.
        release_trials(session, self.study_id)
        states = set(
            session.scalars(
                select(TrialRow.state)
                .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
                .where(StudyTrialRow.study_id == self.study_id)
                .distinct()
            )
        )
        if states & {TrialState.PENDING, TrialState.RUNNING}:
            return None
        ended = StudyState.DONE if states <= KNOWN else StudyState.FAILED
        error = None if ended is StudyState.DONE else _failures(session, self.study_id)
        self._end(session, ended, error)
        announce(session, self.study_id, HEADER)
        return ended

    def give_back(self, session: Session) -> None:
        """Put the study back into the queue, for another runner or a later one."""
        self.renew(session)
        session.execute(
            update(StudyRow)
            .where(StudyRow.id == self.study_id)
            .values(state=StudyState.QUEUED, lease_token=None, lease_expires_at=None)
        )
        release_trials(session, self.study_id)
        announce(session, self.study_id, HEADER)

    def fail(self, session: Session, reason: str) -> None:
        """End the study as failed, for a reason that no further try would change."""
        self.end(session, StudyState.FAILED, reason)

    def end(self, session: Session, state: StudyState, error: str | None = None) -> None:
        """End the study, whatever its trials, and give up the lease."""
        self.renew(session)
        self._end(session, state, error)
        release_trials(session, self.study_id)
        announce(session, self.study_id, HEADER)

    def _end(self, session: Session, state: StudyState, error: str | None) -> None:
        session.execute(
            update(StudyRow)
            .where(StudyRow.id == self.study_id)
            .values(
                state=state,
                error=error,
                finished_at=utcnow(),
                lease_token=None,
                lease_expires_at=None,
            )
        )


def claim(database: Database, *, seconds: float, device: str) -> Lease | None:
    """Take the oldest study that waits, or whose runner has fallen silent.

    Of several runners that try at once, one gets it.

    Args:
        database: Where the queue is.
        seconds: How long the lease lasts without renewal.
        device: What the study will train on, for people.

    Returns:
        The lease, or None when there is nothing to do.
    """
    with database.read() as session:
        # An idle runner must not hold up writers: the lock is taken only when there is something.
        if session.scalar(_oldest(utcnow())) is None:
            return None
    with database.write() as session:
        now = utcnow()
        # Locked as an update locks it, so that events may refer to it meanwhile.
        oldest = _oldest(now).with_for_update(skip_locked=True, key_share=True)
        study_id = session.scalar(oldest)
        if study_id is None:
            return None
        lease = Lease(study_id, secrets.token_hex(16), seconds)
        taken = session.execute(
            update(StudyRow)
            .where(StudyRow.id == study_id, _free(now))
            .values(
                state=StudyState.RUNNING,
                lease_token=lease.token,
                lease_expires_at=now + timedelta(seconds=seconds),
                started_at=func.coalesce(StudyRow.started_at, now),
                device=device,
                seconds_left=None,
                estimated_at=None,
                error=None,
            )
            .returning(StudyRow.id)
        ).all()
        if not taken:
            return None
        release_trials(session, study_id)
        announce(session, study_id, HEADER)
        return lease


def _free(now: datetime) -> ColumnElement[bool]:
    """Whether nobody works on a study that is to be trained."""
    return or_(
        StudyRow.state == StudyState.QUEUED,
        (StudyRow.state == StudyState.RUNNING) & (StudyRow.lease_expires_at <= now),
        (StudyRow.state == StudyState.RUNNING) & StudyRow.lease_expires_at.is_(None),
    )


def _oldest(now: datetime) -> Select[str]:
    return select(StudyRow.id).where(_free(now)).order_by(StudyRow.created_at, StudyRow.id).limit(1)


def _failures(session: Session, study_id: str) -> str:
    reasons = session.scalars(
        select(TrialRow.reason)
        .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
        .where(StudyTrialRow.study_id == study_id, TrialRow.state == TrialState.FAILED)
        .order_by(StudyTrialRow.position)
    ).all()
    noun = "trial" if len(reasons) == 1 else "trials"
    return f"{len(reasons)} {noun} could not be trained; the first: {reasons[0]}"
