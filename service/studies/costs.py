"""What a study would cost."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.db.tables.studies import TrialRow
from service.search.planning import SearchSpec
from service.studies.planning import StudySpec
from service.studies.trial_rows import count_known

TELLING_EPOCHS = 2
"""Epochs of a trial from which on its time tells that of longer ones."""


@dataclass(frozen=True)
class Plan:
    """What a study would cost."""

    spec: StudySpec | SearchSpec
    trials: int
    known: int
    estimated_worker_seconds: float | None
    points: int | None = None
    """Of a search, at most."""
    epochs: int | None = None
    """Of a search, at most: of all trials."""

    @property
    def missing(self) -> int:
        """Trials to train."""
        return self.trials - self.known


def plan(session: Session, spec: StudySpec | SearchSpec, *, known: int | None = None) -> Plan:
    """Count a study's trials and those already known, and estimate the time of the rest.

    Args:
        session: Where to read.
        spec: What the study asks for.
        known: Trials of a grid that are known, where they were counted already.
    """
    if isinstance(spec, SearchSpec):
        return plan_search(session, spec)
    if known is None:
        known = count_known(session, list(spec.keyed))
    missing = spec.trial_count - known
    per_epoch = _seconds_per_epoch(session, spec.task, spec.budget.epochs)
    if missing == 0:
        seconds: float | None = 0.0
    elif per_epoch is None:
        seconds = None
    else:
        seconds = per_epoch * missing * spec.budget.epochs
    return Plan(spec, spec.trial_count, known, seconds)


def plan_search(session: Session, spec: SearchSpec) -> Plan:
    """Say what a search costs at most, and estimate its time."""
    per_epoch = _seconds_per_epoch(session, spec.task, spec.search.budget.epochs)
    seconds = None if per_epoch is None else per_epoch * spec.epochs_expected
    limit = spec.search.seconds
    if limit is not None:
        most = limit * len(spec.labels)
        seconds = most if seconds is None else min(most, seconds)
    return Plan(spec, spec.trial_count, 0, seconds, spec.points, spec.epochs_at_most)


def _seconds_per_epoch(session: Session, task: str, epochs: int) -> float | None:
    # Weighted by epochs, and a single one tells nothing of more: what a trial of one epoch takes is
    # mostly the start of its pack.
    recent = (
        select(TrialRow.seconds, TrialRow.epochs_done)
        .where(
            TrialRow.task == task,
            TrialRow.finished_at.is_not(None),  # for the index's sake
            TrialRow.seconds.is_not(None),
            TrialRow.epochs_done >= min(TELLING_EPOCHS, epochs),
        )
        .order_by(TrialRow.finished_at.desc())
        .limit(1000)
        .subquery()
    )
    return session.scalar(select(func.sum(recent.c.seconds) / func.sum(recent.c.epochs_done)))
