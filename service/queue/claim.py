"""Claiming a study: the next in order, unless its runners keep falling silent with it."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db import Database, clock
from service.db.counters import LEASE_LOSSES
from service.db.counters import count as count_up
from service.db.tables.processes import RunnerRow
from service.db.tables.studies import StudyRow
from service.events.repository import HEADER, announce
from service.queue.lease import Lease
from service.queue.order import anything, free, in_order
from service.studies.model import StudyState
from service.studies.trial_rows import release_trials
from service.webhooks.outbox import study_ended

LOSSES = 3
"""Runners in a row that may fall silent with a study without getting anything done."""


def claim(
    database: Database,
    *,
    seconds: float,
    device: str,
    losses: int = LOSSES,
    silent: Mapping[str, datetime] | None = None,
) -> Lease | None:
    """Take the next study that waits, or whose runner has fallen silent.

    Of several runners that try at once, one gets it. A study that has cost too many runners is
    failed, and the next one taken.

    Args:
        database: Where the queue is.
        seconds: How long the lease lasts without renewal.
        device: What the study will train on, for people.
        losses: Runners in a row that may fall silent with it and get nothing done.
        silent: Studies that `Watch` found abandoned though their lease has not expired, with the
            expiry it saw.

    Returns:
        The lease, or None when there is nothing to do.
    """
    silent = silent or {}
    with database.read() as session:
        # An idle runner must not hold up writers: the lock is taken only when there is something.
        if not anything(session, clock.now(session), silent):
            return None
    with database.write() as session:
        while (study := _next(session, silent)) is not None:
            if study.lease_token is None:
                return _take(session, study, seconds, device)
            count = study.losses + 1
            count_up(session, LEASE_LOSSES)
            last = _last_seen(session, study)
            if count < losses:
                study.losses, study.last_loss = count, last
                return _take(session, study, seconds, device)
            _put_aside(session, study, count, last)
    return None


def _next(session: Session, silent: Mapping[str, datetime]) -> StudyRow | None:
    """Lock the next study; None when none waits, or others are about to take those that do."""
    now = clock.now(session)
    # Locked as an update locks it, so that events may refer to it meanwhile.
    query = in_order(now, silent).limit(1)
    query = query.with_for_update(skip_locked=True, key_share=True, of=StudyRow)
    study_id = session.scalar(query)
    if study_id is None:
        return None
    study = session.scalar(
        select(StudyRow)
        .where(StudyRow.id == study_id, free(now, silent))
        .execution_options(populate_existing=True)
    )
    if study is None:
        return None
    if silent.get(study_id) not in {None, study.lease_expires_at}:
        return None  # it was heard of just now
    return study


def _take(session: Session, study: StudyRow, seconds: float, device: str) -> Lease:
    now = clock.now(session)
    token = secrets.token_hex(16)
    study.state = StudyState.RUNNING
    study.lease_token = token
    study.lease_expires_at = now + timedelta(seconds=seconds)
    study.claimed_at = now
    study.started_at = study.started_at or now
    study.device = device
    study.seconds_left = study.estimated_at = study.error = None
    session.flush()
    release_trials(session, study.id)
    announce(session, study.id, HEADER)
    return Lease(study.id, token, seconds)


def _put_aside(session: Session, study: StudyRow, count: int, last: str) -> None:
    """Fail a study that costs every runner its life, so that others have their turn."""
    now = clock.now(session)
    study.state = StudyState.FAILED
    study.error = PUT_ASIDE.format(count=count, last=last, id=study.id)
    study.last_loss = last
    study.losses = 0  # whoever tries it again tries as often
    study.finished_at = now
    study.lease_token = study.lease_expires_at = None
    session.flush()
    study_ended(session, study.id)
    release_trials(session, study.id)
    announce(session, study.id, HEADER)


def _last_seen(session: Session, study: StudyRow) -> str:
    """Say which runner was lost with a study, and when its lease ran out."""
    runner = session.scalars(
        select(RunnerRow)
        .where(RunnerRow.study_id == study.id)
        .order_by(RunnerRow.seen_at.desc())
        .limit(1)
    ).first()
    who = "its runner" if runner is None else f"the runner on {runner.host} (process {runner.pid})"
    assert study.lease_expires_at is not None  # noqa: S101 - the database says so
    return f"{who} fell silent, its lease ended {study.lease_expires_at:%Y-%m-%d %H:%M:%S} UTC"


PUT_ASIDE = (
    "given up after {count} runners in a row fell silent with it and got nothing done; the last: "
    "{last}. Look for the cause in the runner's log (most often memory), then "
    "POST /api/v1/studies/{id}/retry"
)
