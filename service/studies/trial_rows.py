"""Trials in the database, as studies need them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from service.db import clock
from service.db.tables.searches import PointRow
from service.db.tables.studies import StudyRow, StudyTrialRow, TrialRow
from service.events.repository import HEADER, announce_trials
from service.studies.model import StudyState
from service.trials.model import KNOWN, TrialState
from workers.contracts import TrialSpec
from workers.search.contracts import PointState

SEEN_AT_ONCE = 500
"""Keys in one query: SQLite allows some thousand bound values."""


def release_trials(session: Session, study_id: str) -> None:
    """Give back a study's running trials whose lease is no longer alive; forget running points."""
    session.execute(
        delete(PointRow).where(PointRow.study_id == study_id, PointRow.state == PointState.RUNNING)
    )
    live = select(StudyRow.lease_token).where(
        StudyRow.state == StudyState.RUNNING,  # for the index's sake: no other has a lease
        StudyRow.lease_token.is_not(None),
        StudyRow.lease_expires_at > clock.now(session),
    )
    mine = select(StudyTrialRow.trial_key).where(StudyTrialRow.study_id == study_id)
    released = session.scalars(
        update(TrialRow)
        .where(
            TrialRow.state == TrialState.RUNNING,
            TrialRow.key.in_(mine),
            TrialRow.claimed_by.not_in(live),
        )
        .values(state=TrialState.PENDING, claimed_by=None, epochs_done=0)
        .returning(TrialRow.key)
    ).all()
    announce_trials(session, released, HEADER)


def retry_failed(session: Session, keys: Sequence[str]) -> list[str]:
    """Let failed trials be tried again: whoever asks for them anew wants that. Returns them."""
    retried: list[str] = []
    for chunk in chunks(keys):
        retried += session.scalars(
            update(TrialRow)
            .where(TrialRow.key.in_(chunk), TrialRow.state == TrialState.FAILED)
            .values(state=TrialState.PENDING, reason=None, attempts=0, epochs_done=0)
            .returning(TrialRow.key)
        )
    return retried


def count_known(session: Session, keys: Sequence[str]) -> int:
    """Return how many of the trials have a result."""
    return sum(
        session.scalar(
            select(func.count())
            .select_from(TrialRow)
            .where(TrialRow.key.in_(chunk), TrialRow.state.in_(KNOWN))
        )
        or 0
        for chunk in chunks(keys)
    )


def chunks(keys: Sequence[str]) -> list[Sequence[str]]:
    """Return keys in portions that one query takes."""
    return [keys[i : i + SEEN_AT_ONCE] for i in range(0, len(keys), SEEN_AT_ONCE)]


def trial_row(trial: TrialSpec, key: str, now: Any) -> Mapping[str, Any]:
    """Return the columns of a trial that nobody has trained yet."""
    return {
        "key": key,
        "task": trial.task,
        "task_version": trial.task_version,
        "optimizer": trial.optimizer,
        "optimizer_version": trial.optimizer_version,
        "hyperparameters": trial.hyperparameters,
        "learning_rate": trial.learning_rate,
        "weight_decay": trial.weight_decay,
        "seed": trial.seed,
        "epochs": trial.budget.epochs,
        "batch_size": trial.budget.batch_size,
        "schedule": trial.budget.schedule,
        "numerics": vars(trial.budget.numerics),
        "engine_version": trial.engine_version,
        "state": TrialState.PENDING,
        "attempts": 0,
        "epochs_done": 0,
        "created_at": now,
    }
