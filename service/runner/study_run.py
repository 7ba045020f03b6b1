"""One study in training."""

import logging
import time
from collections import deque
from collections.abc import Callable

from service.db import Database
from service.queue import Lease
from service.queue.results import Result, claim_trials, give_up, lost, missing, record
from service.runner.estimate import Timing, seconds_left
from service.runner.pack_run import PackRun
from service.studies.model import StudyState
from service.studies.planning import StudySpec, settings_of
from service.studies.repository import load_spec
from workers.contracts import Device, Pack, TrialSpec
from workers.execution import EpochDone, PackEnded, PackEvent, PackFailed, PackLost, RayPool
from workers.packing import plan_packs

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
        pack_size: int,
        attempts: int,
        stopping: Callable[[], bool],
    ) -> None:
        """Prepare to train.

        Args:
            database: Where the study is and its results go.
            pool: Workers.
            lease: On the study.
            pack_size: Trials trained together, at most.
            attempts: Workers a trial may lose.
            stopping: Asked often: whether to put the study back and leave.
        """
        self._database = database
        self._pool = pool
        self._lease = lease
        self._pack_size = pack_size
        self._attempts = attempts
        self._stopping = stopping
        with database.read() as session:
            self._spec = load_spec(session, lease.study_id)
        self._labels = _labels(self._spec)
        self._trials = {trial.key: trial for trial in self._spec.trials()}
        self._waiting: deque[Pack] = deque()
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
                if not self._waiting and not self._running:
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
        if self._waiting or self._pool.idle == 0:
            return
        with self._database.read() as session:
            keys = missing(session, self._lease.study_id)
        self._waiting.extend(plan_packs((self._trials[key] for key in keys), size=self._pack_size))

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
            # Packs of a study that was cancelled may still have something to say.
            running = self._running.get(event.ticket)
            if running is None:
                continue
            match event:
                case EpochDone():
                    results += self._epoch(running, event)
                case PackEnded():
                    results += self._end(self._running.pop(event.ticket))
                case PackFailed():
                    self._fail(self._running.pop(event.ticket), event.reason)
                case PackLost():
                    keys = self._running.pop(event.ticket).open_keys
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
        return seconds_left(
            [(running.timing, running.passed) for running in self._running.values()],
            self._ended,
            [(len(pack.trials), pack.budget.epochs) for pack in self._waiting],
            workers=len(self._pool.devices),
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


_OUTDATED = (
    "the task, an optimizer or the engine has changed since this study was sent; "
    "send it again to train it with the present code"
)


def _labels(spec: StudySpec) -> dict[tuple[str, str], str]:
    return {variant.settings: variant.label for variant in spec.variants}
