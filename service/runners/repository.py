"""Runners in the database: what they say of themselves, and who is there."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.db import Database, clock
from service.db.tables.processes import RunnerRow
from service.events.repository import HEADER, announce
from service.runners.model import DeviceUse, Runner, RunnerState

BEAT = 2.0
"""Seconds between two words of a runner, at most."""
SILENT = 15.0
"""Seconds after which a runner that says nothing counts as gone."""
SWEPT = 120.0
"""Seconds after which it is forgotten."""


def say(
    database: Database,
    runner_id: str,
    *,
    host: str,
    pid: int,
    state: RunnerState,
    study_id: str | None,
    devices: Sequence[DeviceUse],
    shown: bool = False,
) -> None:
    """Note what a runner does; its first word makes it known.

    Args:
        database: Where.
        runner_id: Of the runner.
        host: Where it is.
        pid: Its process.
        state: What it does.
        study_id: With which study.
        devices: What it trains on.
        shown: Whether that changes what is shown of the study.
    """
    values: dict[str, Any] = {
        "state": state,
        "study_id": None if state is RunnerState.IDLE else study_id,
        "devices": [device.to_json() for device in devices],
    }
    try:
        _write(database, runner_id, host, pid, values, shown=shown)
    except IntegrityError:  # the study was deleted just now
        _write(database, runner_id, host, pid, {**values, "study_id": None})


def _write(
    database: Database,
    runner_id: str,
    host: str,
    pid: int,
    values: dict[str, Any],
    *,
    shown: bool = False,
) -> None:
    with database.write() as session:
        now = clock.now(session)
        known = session.execute(
            update(RunnerRow)
            .where(RunnerRow.id == runner_id)
            .values(**values, seen_at=now)
            .returning(RunnerRow.id)
        ).first()
        if known is None:
            row = RunnerRow(id=runner_id, host=host, pid=pid, started_at=now, seen_at=now, **values)
            session.add(row)
        if shown and values["study_id"] is not None:
            session.flush()
            announce(session, values["study_id"], HEADER)


def leave(database: Database, runner_id: str) -> None:
    """Forget a runner that ends."""
    with database.write() as session:
        session.execute(delete(RunnerRow).where(RunnerRow.id == runner_id))


def sweep(database: Database) -> int:
    """Forget runners that have been silent for long; returns how many."""
    with database.read() as session:
        if not session.scalars(_swept(session)).all():
            return 0
    with database.write() as session:
        gone = session.scalars(_swept(session)).all()
        session.execute(delete(RunnerRow).where(RunnerRow.id.in_(gone)))
        return len(gone)


def _swept(session: Session) -> Any:
    now, long = clock.now(session), timedelta(seconds=SWEPT)
    return select(RunnerRow.id).where(
        or_(RunnerRow.seen_at < now - long, RunnerRow.seen_at > now + long)
    )


def everyone(session: Session) -> tuple[Runner, ...]:
    """Return all runners known, those that have fallen silent included, the oldest first."""
    now = clock.now(session)
    rows = session.scalars(select(RunnerRow).order_by(RunnerRow.started_at, RunnerRow.id))
    return tuple(_runner(row, now) for row in rows)


def _runner(row: RunnerRow, now: datetime) -> Runner:
    return Runner(
        id=row.id,
        host=row.host,
        pid=row.pid,
        state=row.state,
        study_id=row.study_id,
        devices=tuple(map(DeviceUse.from_json, row.devices)),
        started_at=row.started_at,
        seen_at=row.seen_at,
        # Either way: what was said before the clock leapt back is no sign of life.
        up=abs(now - row.seen_at) < timedelta(seconds=SILENT),
    )
