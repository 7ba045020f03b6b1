"""One study in training."""

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from service.db import Database
from service.db.trouble import Patience
from service.queue import Lease
from service.queue.results import Result, give_up, lost, put_back
from service.queue.turn import Turn
from service.runner.checkpoints import UNREADABLE, Checkpoints
from service.runner.devices import described, use_of
from service.runner.estimate import Timing, seconds_left
from service.runner.notes import Notes
from service.runner.pack_run import PackRun
from service.runner.planner import Planner
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
ALIKE = 20
"""Trials that fail alone, for the same reason, after which packs are not searched for them."""
REMEMBERED = 20
"""Packs, the last that ended, of which the pace is remembered."""


class StudyRun:
    """Trains what a study misses, until nothing does, under one lease."""

    def __init__(
        self,
        database: Database,
        pool: RayPool,
        lease: Lease,
        planner: Planner,
        checkpoints: Checkpoints,
        *,
        checkpoint_seconds: float,
        share_gpus: bool = False,
        attempts: int,
        stopping: Callable[[], bool],
        drain_seconds: float = 0.0,
        turn_seconds: float = math.inf,
        tell: Callable[[Sequence[DeviceUse]], None] = lambda _: None,
    ) -> None:
        """Prepare to train.

        Args:
            database: Where the study is and its results go.
            pool: Workers.
            lease: On the study.
            planner: Of the same study.
            checkpoints: Where those of running packs are kept.
            checkpoint_seconds: Time between two of a pack's checkpoints.
            share_gpus: Whether to have several packs share a GPU where that is quicker.
            attempts: Workers a trial may lose.
            stopping: Asked often: whether to put the study back and leave.
            drain_seconds: Time to end or save packs in training after that.
            turn_seconds: Time after which the study makes way for others of its priority.
            tell: Told often what each device trains.
        """
        self._database = database
        self._pool = pool
        self._lease = lease
        self._planner = planner
        self._checkpoints = checkpoints
        self._checkpoint_seconds = checkpoint_seconds
        self._share_gpus = share_gpus
        self._attempts = attempts
        self._stopping = stopping
        self._drain_seconds = drain_seconds
        self._tell = tell
        self._turn = Turn(database, lease, seconds=turn_seconds)
        self._patiently = Patience(stopping=stopping, drain_seconds=drain_seconds)
        self._measuring: int | None = None
        """Ticket of the measurement that packs wait for."""
        self._running: dict[int, PackRun] = {}
        self._ended: deque[Timing] = deque(maxlen=REMEMBERED)
        self._seen: set[Device] = set()
        self._alike: Counter[str] = Counter()
        """How many packs were given up, by their reason."""
        self._notes = Notes(database, lease)

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
                    self._drain(math.inf)
                    break
                self._patiently(self._plan)
                starting = not self._pool.devices
                if not (self._planner.waiting or self._running or self._measuring or starting):
                    ended = self._patiently(self._finish)
                    if ended is not None:
                        return ended
                    # Another study trains what is left of this one: its results will be ours.
                    time.sleep(PATIENCE)
                    continue
                self._submit()
                self._handle(self._pool.poll(PATIENCE))
            if self._stopping():
                self._drain(self._drain_seconds)
            self._patiently(self._give_back)
            return None
        except ClusterLostError:
            self._running.clear()
            raise
        finally:
            if self._running:
                self._pool.cancel()

    def _drain(self, seconds: float) -> None:
        """Have what is in training saved or ended, as far as that takes no longer than this.

        Whoever takes the study up goes on from there. Packs that save themselves go on training
        until they are cancelled: nothing is lost but the time.
        """
        self._pool.want_checkpoints()
        before = {ticket: run.checkpoints for ticket, run in self._running.items()}
        deadline = time.monotonic() + seconds
        while any(
            self._running[ticket].checkpoints == count
            for ticket, count in before.items()
            if ticket in self._running
        ):
            left = deadline - time.monotonic()
            if left <= 0:
                logger.warning(
                    "study %s: an epoch takes longer than %g s; what was trained of it is lost",
                    self._lease.study_id,
                    seconds,
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
            if self._share_gpus and self._share():
                return
            unknown = self._planner.plan(self._pool.size, self._sharing)
            if unknown is not None:
                self._measuring = self._pool.measure(*unknown)

    @property
    def _sharing(self) -> int:
        """How many workers share what was measured as one device's free memory."""
        return (self._pool.per_gpu or 1) if self._share_gpus else 1

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
                checkpoint_seconds=self._checkpoint_seconds,
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
                    self._fail(running, event.reason)
                case PackTooLarge():
                    self._split(running, event.reason)
                case PackLost():
                    self._lose(running, event.reason)
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
            use_of(device, self._running.get(ticket or 0)) for device, ticket in self._pool.uses()
        ]

    def _seconds_left(self) -> float | None:
        measured = self._planner.measurement
        return seconds_left(
            [(running.timing, running.passed) for running in self._running.values()],
            self._ended,
            [(run.size, run.to_come) for run in self._planner.waiting],
            workers=self._pool.size,
            expected=seconds_per_trial(measured.seconds) if measured else None,
            expected_start=measured.start_seconds if measured else 0.0,
        )

    def _epoch(self, running: PackRun, event: EpochDone) -> list[Result]:
        """Keep an epoch's values; returns the trials that diverged in it."""
        if running.device is None:
            running.first = event.device not in self._seen
            self._seen.add(event.device)
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

    def _split(self, running: PackRun, reason: str) -> None:
        """Try the trials of a pack that ran out of memory again, half as many at once."""
        if running.size == 1:
            self._fail(running, ALONE.format(reason=reason))
            return
        logger.warning("a pack of %d trials was too large and is split: %s", running.size, reason)
        self._checkpoints.remove(self._lease.study_id, running.keys)
        self._put_back(running)
        self._planner.too_large(running.size)

    def _lose(self, running: PackRun, reason: str) -> None:
        """Put the trials of a pack back that lost its worker, to go on from its checkpoint."""
        keys = running.open_keys
        logger.warning("a pack of %d trials was lost: %s", len(keys), reason)
        if running.saved is not None and not running.advanced:
            self._checkpoints.remove(self._lease.study_id, running.keys)  # it may be to blame
        self._patiently(lambda: lost(self._database, self._lease, keys, reason, self._attempts))
        self._planner.look_for_checkpoints()

    def _fail(self, running: PackRun, reason: str) -> None:
        """Give up the trials of a pack that fail; the others are trained without them.

        A pack that could not go on is begun anew.
        """
        self._checkpoints.remove(self._lease.study_id, running.keys)
        if running.saved is not None and not running.advanced:
            logger.warning("a checkpoint is of no use, its pack begins anew: %s", reason)
            self._put_back(running)
            self._planner.again(running)
            return
        if len(running.open) > 1 and self._alike[reason] < ALIKE:
            logger.warning("a pack of %d trials failed and is divided: %s", running.size, reason)
            self._put_back(running)
            self._planner.apart(running)
            return
        self._alike[reason] += 1
        logger.error("a pack of study %s failed: %s", self._lease.study_id, reason)
        reasons = dict.fromkeys(running.open_keys, reason)
        self._patiently(lambda: give_up(self._database, self._lease, reasons))

    def _put_back(self, running: PackRun) -> None:
        keys = running.open_keys
        self._patiently(lambda: put_back(self._database, self._lease, keys))

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
            device=f"{device.kind} ({device.name})",
        )


ALONE = (
    "one trial alone does not fit into memory: choose a smaller batch size, or train it where "
    "there is more ({reason})"
)
_OUTDATED = (
    "the task, an optimizer or the engine has changed since this study was sent; "
    "send it again to train it with the present code"
)
