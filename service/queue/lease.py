"""Holding a study: every write proves the lease, and counts what the study uses up."""

import time
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.db import clock, utcnow
from service.db.tables.studies import StudyRow, StudyTrialRow, TrialRow
from service.errors import LeaseLostError
from service.events.repository import HEADER, announce
from service.queue.usage import Usage
from service.studies.model import StudyState
from service.studies.trial_rows import release_trials
from service.trials.model import KNOWN, TrialState
from service.webhooks.outbox import study_ended


class Lease:
    """The right to train a study and to write its results, until it expires or is taken away."""

    def __init__(self, study_id: str, token: str, seconds: float) -> None:
        self.study_id = study_id
        self.token = token
        self._duration = timedelta(seconds=seconds)
        self._counted = time.monotonic()
        """Until when the time that the study runs has been written down."""
        self.usage = Usage()
        """As of the last renewal."""

    def renew(self, session: Session, *, trained: float = 0.0, progress: bool = False) -> None:
        """Prove that the lease is held and extend it: the first statement of every write.

        Args:
            session: Of the write.
            trained: Seconds that workers have trained since they were last counted.
            progress: Whether something was done that outlives this runner.

        Raises:
            LeaseLostError: Another runner has the study, or it was cancelled or deleted.
        """
        moment = time.monotonic()
        values: dict[str, object] = {
            "lease_expires_at": clock.now(session) + self._duration,
            "seconds_running": StudyRow.seconds_running + max(0.0, moment - self._counted),
            "seconds_trained": StudyRow.seconds_trained + trained,
        }
        if progress:
            values["losses"] = 0
        held = session.execute(
            update(StudyRow)
            .where(StudyRow.id == self.study_id, StudyRow.lease_token == self.token)
            .values(values)
            .returning(
                StudyRow.seconds_running,
                StudyRow.seconds_trained,
                StudyRow.time_limit,
                StudyRow.training_limit,
            )
        ).first()
        if held is None:
            raise LeaseLostError(f"study {self.study_id} is no longer this runner's")
        self._counted = moment
        self.usage = Usage(*held)

    def estimate(self, session: Session, seconds_left: float | None) -> None:
        """Note how long the study still takes, as of now; None while that cannot be told."""
        session.execute(
            update(StudyRow)
            .where(StudyRow.id == self.study_id)
            .values(seconds_left=seconds_left, estimated_at=utcnow())
        )

    def describe(self, session: Session, device: str) -> None:
        """Note what the study trains on, now that more is known of it."""
        session.execute(update(StudyRow).where(StudyRow.id == self.study_id).values(device=device))

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

    def lose(self, session: Session, reason: str, most: int) -> StudyState | None:
        """Put the study back after what it trained on was lost; returns failed where that is once
        too often.

        Args:
            session: Of the write.
            reason: What was lost.
            most: How often in a row that may happen without getting anything done.
        """
        self.renew(session)
        count = session.scalar(
            update(StudyRow)
            .where(StudyRow.id == self.study_id)
            .values(losses=StudyRow.losses + 1, last_loss=reason)
            .returning(StudyRow.losses)
        )
        if (count or 0) < most:
            self.give_back(session)
            return None
        session.execute(update(StudyRow).where(StudyRow.id == self.study_id).values(losses=0))
        self.fail(session, LOST.format(count=count, reason=reason, id=self.study_id))
        return StudyState.FAILED

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
        study_ended(session, self.study_id)


def _failures(session: Session, study_id: str) -> str:
    reasons = session.scalars(
        select(TrialRow.reason)
        .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
        .where(StudyTrialRow.study_id == study_id, TrialRow.state == TrialState.FAILED)
        .order_by(StudyTrialRow.position)
    ).all()
    noun = "trial" if len(reasons) == 1 else "trials"
    return f"{len(reasons)} {noun} could not be trained; the first: {reasons[0]}"


LOST = (
    "given up after {count} attempts in a row that got nothing done; the last: {reason}. Look for "
    "the cause in the runner's log (most often memory), then POST /api/v1/studies/{id}/retry"
)
