"""One study in training."""

import logging
import time
from collections import deque
from collections.abc import Callable

from service.db import Database
from service.queue import Lease
from service.queue.results import Result, claim_trials, give_up, lost, missing, put_back, record
from service.runner.estimate import Timing, seconds_left
from service.runner.pack_run import PackRun
from service.runner.sizing import PackSizes
from service.studies.model import StudyState
from service.studies.planning import StudySpec, settings_of
from service.studies.repository import load_spec
from workers.contracts import Device, Pack, TrialSpec
from workers.execution import (
    EpochDone,
    Measured,
    PackEnded,
    PackEvent,
    PackFailed,
    PackLost,
    PackTooLarge,
    RayPool,
)
from workers.packing import seconds_per_trial

logger = logging.getLogger(__name__)

PATIENCE = 0.5
"""Seconds to wait for news from the workers before the lease is renewed."""
PROGRESS_EVERY = 1.0
"""Seconds between two notes of how far running packs have come."""
REMEMBERED = 20
"""Packs, the last that ended, of which the pace is remembered."""


class StudyRun:
    """Trains what a study misses, until nothing does, under one lease."""

    def __init__(
        self,
        database: Database,
        pool: RayPool,
        lease: Lease,
        *,
        sizes: PackSizes,
        attempts: int,
        stopping: Callable[[], bool],
    ) -> None:
        """Prepare to train.

        Args:
            database: Where the study is and its results go.
            pool: Workers.
            lease: On the study.
            sizes: Chooses how many trials train together.
            attempts: Workers a trial may lose.
            stopping: Asked often: whether to put the study back and leave.
        """
        self._database = database
        self._pool = pool
        self._lease = lease
        self._sizes = sizes
        self._attempts = attempts
        self._stopping = stopping
        with database.read() as session:
            self._spec = load_spec(session, lease.study_id)
        self._labels = _labels(self._spec)
        self._kind = (
            self._spec.task,
            self._spec.task_version,
            self._spec.budget,
            frozenset(self._labels),
        )
        self._trials = {trial.key: trial for trial in self._spec.trials()}
        self._waiting: deque[Pack] = deque()
        self._measuring: int | None = None
        """Ticket of the measurement that packs wait for."""
        self._running: dict[int, PackRun] = {}
        self._ended: deque[Timing] = deque(maxlen=REMEMBERED)
        self._seen: set[Device] = set()
        self._noted = 0.0

    def run(self) -> StudyState | None:
        """Train to the end of the study; returns its final state, None when told to stop.

        Raises:
            LeaseLostError: The study is no longer ours. What was written stays.
        """
        if self._outdated():
            with self._database.write() as session:
                self._lease.fail(session, _OUTDATED)
            return StudyState.FAILED
        try:
            while not self._stopping():
                self._plan()
                if not (self._waiting or self._running or self._measuring):
                    with self._database.write() as session:
                        ended = self._lease.finish(session)
                    if ended is not None:
                        return ended
                    # Another study trains what is left of this one: its results will be ours.
                    time.sleep(PATIENCE)
                    continue
                self._submit()
                self._handle(self._pool.poll(PATIENCE))
            with self._database.write() as session:
                self._lease.give_back(session)
            return None
        finally:
            if self._running:
                self._pool.cancel()

    def _outdated(self) -> bool:
        """Tell whether the study asks for trials that the present code would not train as such."""
        with self._database.read() as session:
            return not self._trials.keys() >= set(missing(session, self._lease.study_id))

    def _plan(self) -> None:
        """Look into the database for what is missing, whenever the last plan is used up."""
        if self._waiting or self._measuring or self._pool.idle == 0:
            return
        with self._database.read() as session:
            trials = [self._trials[key] for key in missing(session, self._lease.study_id)]
        if not trials:
            return
        workers = self._pool.size
        unknown = self._sizes.open_question(self._kind, trials)
        if unknown is not None:
            epochs = len(trials) * self._spec.budget.epochs // workers
            self._measuring = self._pool.measure(unknown, epochs)
            return
        self._waiting.extend(self._sizes.plan(self._kind, trials, workers=workers))
        largest = max(len(pack.trials) for pack in self._waiting)
        logger.info(
            "study %s: %d trials in %d packs of at most %d",
            self._lease.study_id,
            len(trials),
            len(self._waiting),
            largest,
        )

    def _submit(self) -> None:
        while self._waiting and self._pool.idle:
            wanted = self._waiting.popleft().trials
            labels = {self._label(trial) for trial in wanted}
            ours = claim_trials(self._database, self._lease, [t.key for t in wanted], labels)
            trials = tuple(trial for trial in wanted if trial.key in ours)
            if trials:
                pack = Pack(trials)
                self._running[self._pool.submit(pack)] = PackRun(pack)

    def _handle(self, events: list[PackEvent]) -> None:
        results: list[Result] = []
        for event in events:
            if event.ticket == self._measuring:
                self._learn(event)
                self._measuring = None
            # Packs of a study that was cancelled may still have something to say.
            running = self._running.get(event.ticket)
            if running is None:
                continue
            if isinstance(event, EpochDone):
                results += self._epoch(running, event)
                continue
            del self._running[event.ticket]
            match event:
                case PackEnded():
                    results += self._end(running)
                case PackFailed():
                    self._fail(running, event.reason)
                case PackTooLarge():
                    self._split(running, event.reason)
                case PackLost():
                    keys = running.open_keys
                    logger.warning("a pack of %d trials was lost: %s", len(keys), event.reason)
                    lost(self._database, self._lease, keys, event.reason, self._attempts)
        self._write(results)

    def _write(self, results: list[Result]) -> None:
        """Write results at once, progress now and then; either renews the lease."""
        due = time.monotonic() - self._noted >= PROGRESS_EVERY
        if not results and not due:
            return
        progress = {
            key: running.epochs
            for running in self._running.values()
            for key in running.open_keys
            if running.epochs
        }
        record(
            self._database,
            self._lease,
            results=results,
            progress=progress,
            seconds_left=self._seconds_left(),
        )
        self._noted = time.monotonic()

    def _seconds_left(self) -> float | None:
        measured = self._sizes.measurement(self._kind)
        return seconds_left(
            [(running.timing, running.passed) for running in self._running.values()],
            self._ended,
            [(len(pack.trials), pack.budget.epochs) for pack in self._waiting],
            workers=self._pool.size,
            expected=seconds_per_trial(measured.seconds) if measured else None,
            expected_start=measured.start_seconds if measured else 0.0,
        )

    def _epoch(self, running: PackRun, event: EpochDone) -> list[Result]:
        """Keep an epoch's values; returns the trials that diverged in it."""
        if running.device is None:
            running.first = event.device not in self._seen
            self._seen.add(event.device)
        running.hear(event.report, event.device)
        return [
            self._result(running, position, reason)
            for position, reason in event.report.diverged.items()
        ]

    def _end(self, running: PackRun) -> list[Result]:
        self._ended.append(running.timing)
        return [self._result(running, position, None) for position in running.open]

    def _learn(self, event: PackEvent) -> None:
        """Keep what was measured; what kept that from being done will meet the packs too."""
        match event:
            case Measured():
                self._sizes.learn(self._kind, event.measurement)
            case PackTooLarge():
                self._sizes.learn(self._kind, None)
                self._sizes.too_large(self._kind, 1)
            case PackFailed() | PackLost():
                logger.warning("trials could not be measured: %s", event.reason)
                self._sizes.learn(self._kind, None)

    def _split(self, running: PackRun, reason: str) -> None:
        """Try the trials of a pack that ran out of memory again, half as many at once."""
        size = len(running.pack.trials)
        if size == 1:
            self._fail(running, ALONE.format(reason=reason))
            return
        logger.warning("a pack of %d trials was too large and is split: %s", size, reason)
        self._sizes.too_large(self._kind, size)
        put_back(self._database, self._lease, running.open_keys)
        self._waiting.clear()  # planned anew, in smaller packs

    def _fail(self, running: PackRun, reason: str) -> None:
        logger.error("a pack of study %s failed: %s", self._lease.study_id, reason)
        give_up(self._database, self._lease, dict.fromkeys(running.open_keys, reason))

    def _result(self, running: PackRun, position: int, diverged: str | None) -> Result:
        trial = running.pack.trials[position]
        device = running.device
        assert device is not None  # noqa: S101 - there is no result before the first epoch
        return Result(
            key=trial.key,
            label=self._label(trial),
            curves=running.curves(position),
            diverged=diverged,
            seconds=running.passed / len(running.pack.trials),
            device=f"{device.kind} ({device.name})",
        )

    def _label(self, trial: TrialSpec) -> str:
        return self._labels[settings_of(trial.optimizer, trial.hyperparameters)]


ALONE = (
    "one trial alone does not fit into memory: choose a smaller batch size, or train it where "
    "there is more ({reason})"
)
_OUTDATED = (
    "the task, an optimizer or the engine has changed since this study was sent; "
    "send it again to train it with the present code"
)


def _labels(spec: StudySpec) -> dict[tuple[str, str], str]:
    return {variant.settings: variant.label for variant in spec.variants}
