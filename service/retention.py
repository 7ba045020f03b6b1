"""What is kept for how long. What is older is removed, a little at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.db import Database, utcnow
from service.db.locks import Alone, alone
from service.db.tables.processes import HeartbeatRow, RunnerRow
from service.db.tables.studies import (
    CurveRow,
    EventRow,
    IdempotencyRow,
    StudyRow,
    StudyTrialRow,
    TrialRow,
)
from service.db.tables.webhooks import DeliveryRow
from service.events.repository import announce_trials
from service.settings import Settings
from service.studies.model import StudyState
from service.trials.model import KNOWN, TrialState
from service.webhooks.model import DeliveryState

AT_ONCE = 2000
"""Rows removed in one transaction: others write in between."""
SILENT_DAYS = 1.0
"""After which a process that fell silent is forgotten."""
FINAL = tuple(state for state in StudyState if state.final)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Rule:
    """What may go."""

    name: str
    """For people."""
    key: InstrumentedAttribute[Any]
    """Primary key of the rows."""
    old: Callable[[datetime], ColumnElement[bool]]
    """Which rows are older than a moment, and may go."""
    days: Callable[[Settings], float | None]
    """For how long they are kept; None for ever."""


def _last_events(study_id: InstrumentedAttribute[str]) -> Any:
    """Return the number of a study's last event: it tells the state of what was shown."""
    later = EventRow.__table__.alias("later")
    return select(func.max(later.c.id)).where(later.c.study_id == study_id).scalar_subquery()


def _unwanted(moment: datetime) -> ColumnElement[bool]:
    return (
        (func.coalesce(TrialRow.finished_at, TrialRow.created_at) < moment)
        & (TrialRow.state != TrialState.RUNNING)
        & ~exists().where(StudyTrialRow.trial_key == TrialRow.key)
    )


RULES = (
    Rule(
        "events of studies that have ended",
        EventRow.id,
        lambda moment: (
            EventRow.study_id.in_(
                select(StudyRow.id).where(StudyRow.state.in_(FINAL), StudyRow.finished_at < moment)
            )
            & (EventRow.id < _last_events(EventRow.study_id))
        ),
        lambda here: here.keep_events_days,
    ),
    Rule(
        "idempotency keys",
        IdempotencyRow.key,
        lambda moment: IdempotencyRow.created_at < moment,
        lambda here: here.keep_idempotency_days,
    ),
    Rule(
        "deliveries to webhooks",
        DeliveryRow.id,
        lambda moment: (
            (DeliveryRow.state != DeliveryState.WAITING) & (DeliveryRow.finished_at < moment)
        ),
        lambda here: here.keep_deliveries_days,
    ),
    Rule(
        "trials of no study",
        TrialRow.key,
        _unwanted,
        lambda here: here.keep_unused_trials_days,
    ),
    Rule(
        "curves",
        CurveRow.trial_key,
        lambda moment: CurveRow.trial_key.in_(
            select(TrialRow.key).where(TrialRow.state.in_(KNOWN), TrialRow.finished_at < moment)
        ),
        lambda here: here.keep_curves_days,
    ),
    Rule(
        "runners that fell silent",
        RunnerRow.id,
        lambda moment: RunnerRow.seen_at < moment,
        lambda _: SILENT_DAYS,
    ),
    Rule(
        "other processes that fell silent",
        HeartbeatRow.id,
        lambda moment: HeartbeatRow.seen_at < moment,
        lambda _: SILENT_DAYS,
    ),
)


def plan(database: Database, settings: Settings) -> Mapping[str, int]:
    """Return how many rows each rule would remove now."""
    with database.read() as session:
        return {
            rule.name: session.scalar(select(func.count()).select_from(rule.key.class_).where(old))
            or 0
            for rule, old in _due(settings)
        }


def prune(
    database: Database, settings: Settings, progress: Progress = lambda *_: None
) -> Mapping[str, int]:
    """Remove what is older than it is kept; returns how many rows of each rule."""
    removed = {}
    for rule, old in _due(settings):
        done = 0
        while True:
            with database.write() as session:
                gone = _remove(session, rule.key, old)
            done += gone
            progress(rule.name, done, done)
            if gone < AT_ONCE:
                break
        removed[rule.name] = done
    return removed


def _due(settings: Settings) -> Iterator[tuple[Rule, ColumnElement[bool]]]:
    for rule in RULES:
        days = rule.days(settings)
        if days is not None:
            yield rule, rule.old(utcnow() - timedelta(days=days))


def _remove(session: Session, key: InstrumentedAttribute[Any], old: ColumnElement[bool]) -> int:
    table: Any = key.class_
    if table is TrialRow:  # of which no study must become one meanwhile
        alone(session, Alone.COMPOSE)
    chosen = list(session.scalars(select(key).where(old).limit(AT_ONCE)))
    if not chosen:
        return 0
    if table is EventRow:
        _gather(session, chosen)
    # Once more: whatever was chosen may have been wanted since.
    gone = session.scalars(delete(table).where(key.in_(chosen), old).returning(key)).all()
    if table is CurveRow:  # maps show those of the best cells, and are kept until an event
        announce_trials(session, gone, ("curves",))
    return len(gone) if table is not EventRow else len(chosen)


def _gather(session: Session, events: list[int]) -> None:
    """Have a study's last event name all parts that those before it did.

    Who has seen only a part of them, and comes back, is then told of all.
    """
    rows = session.execute(select(EventRow.study_id, EventRow.parts).where(EventRow.id.in_(events)))
    parts: dict[str, set[str]] = {}
    for study_id, changed in rows:
        parts.setdefault(study_id, set()).update(changed)
    for study_id, known in parts.items():
        last = session.scalars(
            select(EventRow)
            .where(EventRow.study_id == study_id)
            .order_by(EventRow.id.desc())
            .limit(1)
        ).one()
        session.execute(
            update(EventRow)
            .where(EventRow.id == last.id)
            .values(parts=sorted(known.union(last.parts)))
        )
