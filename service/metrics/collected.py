"""Metrics that the database tells: of queue, studies, trials, runners and webhooks."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.db import Database, utcnow
from service.db.counters import LEASE_LOSSES, counters, last_seen
from service.db.tables.processes import RunnerRow
from service.db.tables.studies import StudyRow, TrialRow
from service.db.tables.webhooks import DeliveryRow
from service.runners.model import DeviceUse, RunnerState
from service.studies.model import StudyState
from service.trials.model import ENDED, TrialState, counter_of
from service.webhooks.model import DeliveryState

logger = logging.getLogger(__name__)

State = TypeVar("State", bound=StrEnum)

FRESH = 5.0
"""Seconds for which what was read is told again."""
AT_MOST = 0.02
"""Share of the time that reading may take: on a large database it is read less often."""
SILENT = timedelta(minutes=2)
"""Runners that said nothing for longer are not counted."""


@dataclass(frozen=True)
class Figures:
    """What the database tells."""

    studies: dict[StudyState, int]
    trials: dict[TrialState, int]
    oldest_queued: datetime | None
    runners: dict[RunnerState, int]
    devices: dict[RunnerState, int]
    """Workers of the runners, by what those are doing."""
    busy: int
    """Workers that train."""
    scheduler_seen: datetime | None
    deliveries_waiting: int
    counted: dict[str, int]
    size: int
    """Of the database, in bytes."""
    seconds: float = field(default=0.0, compare=False)
    """That reading took."""


def read(database: Database) -> Figures:
    """Read all figures. Raises `SQLAlchemyError` where the database does not answer."""
    began = time.monotonic()
    with database.read() as session:
        studies = _by_state(session, StudyRow.state, StudyState)
        trials = _by_state(session, TrialRow.state, TrialState)
        oldest = session.scalar(
            select(func.min(StudyRow.created_at)).where(StudyRow.state == StudyState.QUEUED)
        )
        alive = session.scalars(select(RunnerRow).where(RunnerRow.seen_at > utcnow() - SILENT))
        runners, devices = dict.fromkeys(RunnerState, 0), dict.fromkeys(RunnerState, 0)
        busy = 0
        for runner in alive:
            runners[runner.state] += 1
            devices[runner.state] += len(runner.devices)
            busy += busy_of(runner.state, tuple(map(DeviceUse.from_json, runner.devices)))
        waiting = session.scalar(
            select(func.count())
            .select_from(DeliveryRow)
            .where(DeliveryRow.state == DeliveryState.WAITING)
        )
        return Figures(
            studies,
            trials,
            oldest,
            runners,
            devices,
            busy,
            last_seen(session, "scheduler"),
            waiting or 0,
            dict(counters(session)),
            _size(session, database),
            time.monotonic() - began,
        )


def busy_of(state: RunnerState, devices: Sequence[DeviceUse]) -> int:
    """Return how many of a runner's workers train.

    Of a search it is not known which do: all count while none says that it has trials.
    """
    if state is RunnerState.IDLE:
        return 0
    return sum(device.trials is not None or device.measuring for device in devices) or len(devices)


def _by_state(
    session: Session, column: InstrumentedAttribute[State], states: type[State]
) -> dict[State, int]:
    counts = dict.fromkeys(states, 0)
    for state, number in session.execute(select(column, func.count()).group_by(column)):
        counts[state] = number
    return counts


def _size(session: Session, database: Database) -> int:
    if not database.sqlite:
        return session.scalar(text("SELECT pg_database_size(current_database())")) or 0
    path = Path(database.url.database or "")
    files = (path, path.with_name(path.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.is_file())


class DatabaseCollector(Collector):
    """Reads the figures when metrics are asked for, now and then."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._figures: Figures | None = None
        self._until = 0.0

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: the database may not be there yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what the database tells; without it, that it does not answer."""
        if time.monotonic() > self._until:
            try:
                self._figures = read(self._database)
                self._until = time.monotonic() + max(FRESH, self._figures.seconds / AT_MOST)
            except SQLAlchemyError as error:
                logger.warning("metrics cannot be read: %s", type(error).__name__)
                self._figures = None
        up = GaugeMetricFamily("lpwd_database_up", "Whether the database answers.")
        up.add_metric([], float(self._figures is not None))
        yield up
        if self._figures is not None:
            yield from families(self._figures)


def families(found: Figures) -> Iterator[Metric]:
    """Yield the figures as metrics."""
    yield _labelled("lpwd_studies", "Studies by state; queued ones wait.", found.studies)
    yield _labelled("lpwd_trials", "Trials by state.", found.trials)
    finished = CounterMetricFamily(
        "lpwd_trials_finished",
        "Trials that runners were done with; its rate is trials a second.",
        labels=["state"],
    )
    for state in ENDED:
        finished.add_metric([state.value], found.counted.get(counter_of(state), 0))
    yield finished
    now = utcnow()
    waited = (now - found.oldest_queued).total_seconds() if found.oldest_queued else 0.0
    yield _one("lpwd_queue_oldest_seconds", "How long the oldest queued study waits.", waited)
    yield _labelled("lpwd_runners", "Runners heard of within two minutes.", found.runners)
    yield _labelled("lpwd_devices", "Their workers, by the runner's state.", found.devices)
    devices = sum(found.devices.values())
    share = found.busy / devices if devices else 0
    yield _one("lpwd_devices_busy_ratio", "Share of workers that train.", share)
    if found.scheduler_seen is not None:
        silent = (now - found.scheduler_seen).total_seconds()
        yield _one("lpwd_scheduler_silent_seconds", "Since the scheduler was heard of.", silent)
    yield _one(
        "lpwd_deliveries_waiting", "Messages to webhooks not delivered.", found.deliveries_waiting
    )
    for name in sorted({LEASE_LOSSES, *found.counted} - set(map(counter_of, ENDED))):
        counted = CounterMetricFamily(f"lpwd_{name}", "Counted by runners and scheduler.")
        counted.add_metric([], found.counted.get(name, 0))
        yield counted
    yield _one("lpwd_database_bytes", "Size of the database.", found.size)
    yield _one("lpwd_database_read_seconds", "What reading these figures took.", found.seconds)


def _one(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _labelled(name: str, text: str, by_state: Mapping[State, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["state"])
    for state, value in by_state.items():
        family.add_metric([str(state)], value)
    return family
