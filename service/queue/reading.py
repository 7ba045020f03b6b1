"""The queue as the API and the pages show it."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.db import Database, clock
from service.db.tables.keys import KeyRow
from service.db.tables.studies import StudyRow
from service.queue.forecast import Waiting, starts, upcoming
from service.queue.order import NOBODY, free
from service.runners.model import Runner, RunnerState
from service.runners.repository import everyone
from service.studies import queries
from service.studies.model import StudyState

FULL = 2**20
"""Bytes; with fewer left on its disk a SQLite database takes no result."""
NO_RUNNER = "no runner is up: start one with `lpwd runner`, or everything with `lpwd serve`"
STARTING = "the runner starts: its workers are up in a moment"
LEAVING = "the only runner is about to stop: start another with `lpwd runner`"
NO_ROOM = "the disk that holds the database is full: make room on it"
FELL_SILENT = "its runner fell silent; the next that is free goes on with it"


@dataclass(frozen=True)
class QueueEntry:
    """A study that is trained or waits."""

    study_id: str
    name: str
    task: str
    state: StudyState
    owner: str | None
    """Name of the key it was sent with; None where none was needed."""
    priority: int
    created_at: datetime
    position: int | None
    """From 1; None of a study in training."""
    reason: str | None
    """What a study waits for; None of one in training."""
    starts_in: float | None
    """Seconds, where that can be told."""
    progress: float | None
    """Of a study in training, in [0, 1]."""
    eta_seconds: float | None
    """Likewise, until it ends."""
    device: str | None
    """Likewise, what it trains on."""


@dataclass(frozen=True)
class QueueView:
    """Who trains what, and what comes next."""

    running: tuple[QueueEntry, ...]
    waiting: tuple[QueueEntry, ...]
    """The next, in the order they will be taken."""
    waiting_count: int
    """All that wait, those not shown included."""
    runners: tuple[Runner, ...]


def view(database: Database, *, limit: int) -> QueueView:
    """Return studies in training and the next `limit` that wait, and the runners."""
    with database.read() as session:
        now = clock.now(session)
        runners = everyone(session)
        names: dict[str | None, str] = {key.id: key.name for key in session.scalars(select(KeyRow))}
        training = session.scalars(
            select(StudyRow)
            .where(StudyRow.state == StudyState.RUNNING, StudyRow.lease_expires_at > now)
            .order_by(StudyRow.claimed_at, StudyRow.id)
        ).all()
        running = tuple(_running(session, study, names) for study in training)
        order, count = _order(session, now, training, limit)
        rows = session.scalars(select(StudyRow).where(StudyRow.id.in_(order))).all()
        by_id = {study.id: study for study in rows}
    up = [runner for runner in runners if runner.up and runner.state is not RunnerState.DRAINING]
    up = [runner for runner in up if not runner.starting]
    idle = sum(runner.state is RunnerState.IDLE for runner in up)
    begins = starts([entry.eta_seconds for entry in running], idle, len(order))
    waiting = tuple(
        _waiting(
            by_id[study_id],
            names,
            place,
            begins[place - 1] if up else None,
            _obstacle(database, by_id[study_id], place, runners),
        )
        for place, study_id in enumerate(order, 1)
    )
    return QueueView(running, waiting, count, runners)


def _order(
    session: Session, now: datetime, training: Sequence[StudyRow], limit: int
) -> tuple[list[str], int]:
    """Return the ids of the next studies, and how many wait in all."""
    waiting = [
        Waiting(study_id, owner or NOBODY, priority, created_at)
        for study_id, owner, priority, created_at in session.execute(
            select(StudyRow.id, StudyRow.owner_id, StudyRow.priority, StudyRow.created_at).where(
                free(now)
            )
        )
    ]
    served = {
        owner or NOBODY: last
        for owner, last in session.execute(
            select(StudyRow.owner_id, func.max(StudyRow.claimed_at)).group_by(StudyRow.owner_id)
        )
        if last is not None
    }
    in_training: dict[str, int] = {}
    for study in training:
        owner = study.owner_id or NOBODY
        in_training[owner] = in_training.get(owner, 0) + 1
    return upcoming(waiting, in_training, served, limit), len(waiting)


def _running(session: Session, study: StudyRow, names: Mapping[str | None, str]) -> QueueEntry:
    summary = queries.summary(session, study.id)
    return QueueEntry(
        study_id=study.id,
        name=study.name,
        task=study.task,
        state=study.state,
        owner=names.get(study.owner_id),
        priority=study.priority,
        created_at=study.created_at,
        position=None,
        reason=None,
        starts_in=None,
        progress=summary.progress,
        eta_seconds=summary.eta_seconds,
        device=study.device,
    )


def _waiting(
    study: StudyRow,
    names: Mapping[str | None, str],
    position: int,
    starts_in: float | None,
    reason: str,
) -> QueueEntry:
    return QueueEntry(
        study_id=study.id,
        name=study.name,
        task=study.task,
        state=study.state,
        owner=names.get(study.owner_id),
        priority=study.priority,
        created_at=study.created_at,
        position=position,
        reason=reason,
        starts_in=starts_in,
        progress=None,
        eta_seconds=None,
        device=None,
    )


def _obstacle(database: Database, study: StudyRow, place: int, runners: Sequence[Runner]) -> str:
    """Say what a study waits for."""
    up = [runner for runner in runners if runner.up]
    if not up:
        return NO_RUNNER
    if _disk_full(database):
        return NO_ROOM
    staying = [runner for runner in up if runner.state is not RunnerState.DRAINING]
    if not staying:
        return LEAVING
    if study.state is StudyState.RUNNING:
        return FELL_SILENT
    if place > 1:
        return f"{place - 1} {'study is' if place == 2 else 'studies are'} before it"
    if all(runner.starting for runner in staying):
        return STARTING
    if any(runner.state is RunnerState.IDLE and not runner.starting for runner in staying):
        return "it is taken in a moment"
    return "every runner is busy: it is the next"


def _disk_full(database: Database) -> bool:
    if not database.sqlite or not database.url.database:
        return False
    folder = Path(database.url.database).parent
    return folder.is_dir() and shutil.disk_usage(folder).free < FULL
