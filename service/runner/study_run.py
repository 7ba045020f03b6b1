"""One study in training."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from service.db import Database
from service.db.trouble import Patience
from service.queue import Lease
from service.queue.results import Result
from service.queue.turn import Turn
from service.runner.checkpoints import UNREADABLE, Checkpoints
from service.runner.devices import described, use_of
from service.runner.estimate import Timing, seconds_left
from service.runner.notes import Notes
from service.runner.pack_run import PackRun
from service.runner.planner import Planner
from service.runner.setbacks import Setbacks
from service.runners.model import DeviceUse
from service.studies.model import StudyState
from workers.connection import ClusterLostError
from workers.contracts import Device
from workers.execution import RayPool
from workers.pack_events import (
    EpochDone,
    Measured,
    PackEnded,
    PackEvent,
    PackFailed,
    PackLost,
    PackTooLarge,
)
from workers.packing import seconds_per_trial

logger = logging.getLogger(__name__)

PATIENCE = 0.5
"""Seconds to wait for news from the workers before the lease is renewed."""
REMEMBERED = 20
"""Packs, the last that ended, of which the pace is remembered."""


@dataclass(frozen=True)
class Terms:
    """How a study is trained, whichever it is."""

    checkpoint_seconds: float
    """Time between two of a pack's checkpoints."""
    attempts: int
    """Workers a trial may lose."""
    share_gpus: bool = False
    """Whether to have several packs share a GPU where that is quicker."""
    drain_seconds: float = 0.0
    """Time to end or save packs in training, once the runner is told to stop."""
    turn_seconds: float = math.inf
    """Time after which the study makes way for others of its priority."""


class StudyRun:
    """Trains what a study misses, until nothing does, under one lease."""

    def __init__(
        self,
        database: Database,
        pool: RayPool,
        lease: Lease,
        planner: Planner,
        checkpoints: Checkpoints,
        terms: Terms,
        *,
        stopping: Callable[[], bool],
        tell: Callable[[Sequence[DeviceUse]], None],
    ) -> None:
        """Prepare to train.

        Args:
            database: Where the study is and its results go.
            pool: Workers.
            lease: On the study.
            planner: Of the same study.
            checkpoints: Where those of running packs are kept.
            terms: How it is trained.
            stopping: Asked often: whether to put the study back and leave.
            tell: Told often what each device trains.
        """
        self._database = database
        self._pool = pool
        self._lease = lease
        self._planner = planner
        self._checkpoints = checkpoints
        self._terms = terms
        self._stopping = stopping
        self._tell = tell
        self._turn = Turn(database, lease, seconds=terms.turn_seconds)
        self._patiently = Patience(stopping=stopping, drain_seconds=terms.drain_seconds)
        self._setbacks = Setbacks(
            database, lease, planner, checkpoints, self._patiently, attempts=terms.attempts
        )
        self._notes = Notes(database, lease)
        self._measuring: int | None = None
        """Ticket of the measurement that packs wait for."""
        self._running: dict[int, PackRun] = {}
        self._ended: deque[Timing] = deque(maxlen=REMEMBERED)
        self._traced: set[tuple[Device, Hashable]] = set()
        """Workers, and kinds of packs they have trained."""

    def run(self) -> StudyState | None:
        """Train to the end of the study; returns its final state, None when it was put back.

        It is put back when the runner is told to stop, or others have their turn.

        Raises:
            LeaseLostError: The study is no longer ours. What was written stays.
            ClusterLostError: There is nothing left to train on.
            WorkersLostError: Workers die as fast as they are started.
        """
        if self._patiently(self._planner.outdated):
            return self._fail_whole(_OUTDATED)
        try:
            while not self._stopping():
                if (limit := self._lease.usage.exceeded) is not None:
                    return self._patiently(self._finish) or self._fail_whole(limit)
                if self._patiently(self._turn.over):
                    logger.info("study %s: makes way for another", self._lease.study_id)
                    break
                self._patiently(self._plan)
                starting = not self._pool.devices
                if not (self._planner.waiting or self._running or self._measuring or starting):
                    ended = self._patiently(self._finish)
                    if ended is not None:
                        return ended
                    # Another study trains what is left of this one: its results will be ours.
                    self._tell(self._uses())
                    time.sleep(PATIENCE)
                    continue
                self._submit()
                self._handle(self._pool.poll(PATIENCE))
            self._drain()
            self._patiently(self._give_back)
            return None
        except ClusterLostError:
            self._running.clear()
            raise
        finally:
            if self._running:
                self._pool.cancel()

    def _drain(self) -> None:
        """Have what is in training saved or ended; once told to stop, not for longer than allowed.

        Whoever takes the study up goes on from there. Packs that save themselves go on training
        until they are cancelled: nothing is lost but the time.
        """
        self._pool.want_checkpoints()
        before = {ticket: run.checkpoints for ticket, run in self._running.items()}
        deadline = math.inf
        while any(
            self._running[ticket].checkpoints == count
            for ticket, count in before.items()
            if ticket in self._running
        ):
            if self._stopping():
                deadline = min(deadline, time.monotonic() + self._terms.drain_seconds)
            left = deadline - time.monotonic()
            if left <= 0:
                logger.warning(
                    "study %s: an epoch takes longer than %g s; what was trained of it is lost",
                    self._lease.study_id,
                    self._terms.drain_seconds,
                )
                return
            self._handle(self._pool.poll(min(PATIENCE, left)))

    def _finish(self) -> StudyState | None:
        with self._database.write() as session:
            ended = self._lease.finish(session)
        if ended is not None:
            self._checkpoints.forget([self._lease.study_id])
        return ended

    def _give_back(self) -> None:
        with self._database.write() as session:
            self._lease.give_back(session)

    def _fail_whole(self, reason: str) -> StudyState:
        def fail() -> None:
            with self._database.write() as session:
                self._lease.fail(session, reason)

        self._patiently(fail)
        self._checkpoints.forget([self._lease.study_id])
        return StudyState.FAILED

    def _plan(self) -> None:
        if self._measuring is None and self._pool.idle:
            if self._terms.share_gpus and self._share():
                return
            unknown = self._planner.plan(self._pool.size, self._sharing)
            if unknown is not None:
                self._measuring = self._pool.measure(*unknown)
                self._tell(self._uses())

    @property
    def _sharing(self) -> int:
        """How many workers share what was measured as one device's free memory."""
        return (self._pool.per_gpu or 1) if self._terms.share_gpus else 1

    def _share(self) -> bool:
        """Have as many packs share a GPU as keep it busy; returns whether workers start anew."""
        if self._pool.per_gpu is None or self._running or self._pool.idle < self._pool.size:
            return False
        wanted = self._planner.gpu_sharing()
        if wanted is None or wanted == self._pool.per_gpu:
            return False
        logger.info("study %s: %d packs share a GPU", self._lease.study_id, wanted)
        self._pool.share_gpus(wanted)
        return True

    def _submit(self) -> None:
        while self._pool.idle and (run := self._patiently(self._planner.next)) is not None:
            ticket = self._pool.submit(
                run.pack,
                checkpoint=self._state_of(run),
                checkpoint_seconds=self._terms.checkpoint_seconds,
            )
            run.start()
            self._running[ticket] = run

    def _state_of(self, run: PackRun) -> bytes | None:
        """Return what a pack goes on from; from nothing, it begins anew."""
        if run.saved is None:
            return None
        try:
            state = run.saved.state()
        except UNREADABLE as error:
            logger.warning("checkpoint %s is ignored: %s", run.saved.path, error)
            run.begin_anew()
            return None
        logger.info("a pack of %d trials goes on after epoch %d", run.size, run.epochs)
        return state

    def _handle(self, events: list[PackEvent]) -> None:
        results: list[Result] = []
        ended: list[PackRun] = []
        for event in events:
            if event.ticket == self._measuring:
                self._learn(event)
                self._measuring = None
                self._tell(self._uses())
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
                    ended.append(running)
                case PackFailed():
                    self._setbacks.failed(running, event.reason)
                case PackTooLarge():
                    self._setbacks.too_large(running, event.reason)
                case PackLost():
                    self._setbacks.lost(running, event.reason)
        self._write(results)
        # Only now: an outcome must be in the database before a checkpoint takes it for known.
        for running in self._running.values():
            self._notes.kept |= running.keep(self._checkpoints, self._lease.study_id)
        for running in ended:
            self._checkpoints.remove(self._lease.study_id, running.keys)

    def _write(self, results: list[Result]) -> None:
        """Write results at once, progress now and then; either renews the lease."""
        due = self._notes.due(len(self._running) + (self._measuring is not None))
        if not results and not due:
            return
        progress = {
            key: running.epochs
            for running in self._running.values()
            for key in running.open_keys
            if running.epochs
        }
        device = described(self._pool)
        self._patiently(
            lambda: self._notes.write(
                results, progress, seconds_left=self._seconds_left(), device=device
            )
        )
        self._tell(self._uses())

    def _uses(self) -> list[DeviceUse]:
        """Say what each device trains."""
        return [
            use_of(
                device,
                self._running.get(ticket or 0),
                measuring=ticket is not None and ticket == self._measuring,
            )
            for device, ticket in self._pool.uses()
        ]

    def _seconds_left(self) -> float | None:
        measured = self._planner.measurement
        return seconds_left(
            [(running.timing, running.passed) for running in self._running.values()],
            self._ended,
            [(run.size, run.to_come, run.kind) for run in self._planner.waiting],
            workers=self._pool.size,
            traced=self._traced,
            expected=seconds_per_trial(measured.seconds) if measured else None,
            expected_start=measured.start_seconds if measured else 0.0,
            expected_tracing=measured.tracing_seconds if measured else 0.0,
        )

    def _epoch(self, running: PackRun, event: EpochDone) -> list[Result]:
        """Keep an epoch's values; returns the trials that diverged in it."""
        if running.device is None:
            running.first = event.device not in {device for device, _ in self._traced}
            running.traced = (event.device, running.kind) not in self._traced
            self._traced.add((event.device, running.kind))
        fresh = running.hear(event.report, event.device)
        return [self._result(running, position, reason) for position, reason in fresh.items()]

    def _end(self, running: PackRun) -> list[Result]:
        self._ended.append(running.timing)
        return [self._result(running, position, None) for position in running.open]

    def _learn(self, event: PackEvent) -> None:
        """Keep what was measured; what kept that from being done will meet the packs too."""
        match event:
            case Measured():
                # Of a whole GPU, however many share it now.
                free = event.measurement.free_bytes * self._sharing
                self._planner.learn(replace(event.measurement, free_bytes=free))
            case PackTooLarge():
                self._planner.learn(None)
                self._planner.too_large(1)
            case PackFailed() | PackLost():
                logger.warning("trials could not be measured: %s", event.reason)
                self._planner.learn(None)

    def _result(self, running: PackRun, position: int, diverged: str | None) -> Result:
        trial = running.pack.trials[position]
        device = running.device
        assert device is not None  # noqa: S101 - there is no result before the first epoch
        return Result(
            key=trial.key,
            label=self._planner.label(trial),
            curves=running.curves(position),
            diverged=diverged,
            seconds=running.seconds,
            device=device.trained_on,
        )


_OUTDATED = (
    "the task, an optimizer or the engine has changed since this study was sent; "
    "send it again to train it with the present code"
)
