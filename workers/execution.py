"""Packs on Ray: one long-lived actor a device, results streaming back after every epoch.

Plain Ray Core actors, not Ray Tune: a process and a torch import for every trial cost more than
small trials themselves (docs/decisions/0002-ray-core-actors.md).
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError, TaskCancelledError

from workers.contracts import Device, Pack
from workers.errors import PackTooLargeError
from workers.pack_events import (
    EpochDone,
    Measured,
    PackEnded,
    PackEvent,
    PackFailed,
    PackLost,
    PackTooLarge,
)
from workers.places import DeviceChoice, most_cpus_of_a_node, resources, use_gpu
from workers.trainer import Trainer, TrainerSettings

logger = logging.getLogger(__name__)

START_TIMEOUT = 120.0
"""Seconds a worker may take to find a place, import torch and report its device."""
PREPARED = 4
"""Trials that a worker gets ready with: enough for a stack."""
LOSSES_IN_A_ROW = 5
"""Workers lost without one epoch in between, after which the pool gives up."""


CONTROL = "control"
"""Concurrency group of an actor's methods that are heard while it trains."""


class WorkersLostError(Exception):
    """Workers die as fast as they are started."""


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster, and what it trains on."""

    address: str
    gpu: bool
    devices: int


@dataclass
class _Worker:
    """An actor. It introduces itself once torch is imported; until then it has no device."""

    actor: Any
    introduction: Any
    started: float
    device: Device | None = None
    ticket: int | None = None
    """Of what it works at; None while it waits."""
    work: Any = None
    """A stream of reports, or a measurement to come."""
    measured: Pack | None = None
    """What it measures."""


class RayPool:
    """Workers, one a device of the cluster, and what they are at. Used by one thread.

    `idle` tells how many packs may be submitted; `poll` returns what happened since.
    """

    def __init__(
        self,
        choice: DeviceChoice = DeviceChoice.AUTO,
        *,
        per_gpu: int = 1,
        memory: int | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the workers of the cluster that `connect` joined, and wait for the first.

        Args:
            choice: What to train on.
            per_gpu: Workers that share a GPU.
            memory: Bytes that a worker on a CPU may take for packs; all there is by default.
            check: `Connection.check`: called before Ray is, so that no call waits for ever.

        Raises:
            ClusterLostError: The cluster is broken; likewise from `grow` and `poll`.
            RuntimeError: GPUs are asked for and the cluster has none.
            WorkersLostError: No worker starts.
        """
        self._check = check
        check()
        self._gpu = use_gpu(choice)
        self._per_gpu = per_gpu
        self._memory = memory
        self._losses = 0
        self._tickets = 0
        self._workers: list[_Worker] = []
        deadline = time.monotonic() + START_TIMEOUT
        while not self.devices:
            self.grow()
            self.poll(1.0)
            if time.monotonic() > deadline:
                raise WorkersLostError(
                    f"no worker started within {START_TIMEOUT:.0f} s; does the cluster have a "
                    "node with a free device?"
                )

    @property
    def devices(self) -> tuple[Device, ...]:
        """Where the workers train, one entry a worker that is up."""
        return tuple(worker.device for worker in self._workers if worker.device is not None)

    @property
    def size(self) -> int:
        """How many workers there are, those that are starting included."""
        return len(self._workers)

    @property
    def idle(self) -> int:
        """How many workers wait for a pack."""
        return sum(_idle(worker) for worker in self._workers)

    @property
    def per_gpu(self) -> int | None:
        """Workers that share a GPU; None where they train on CPUs."""
        return self._per_gpu if self._gpu else None

    def share_gpus(self, per_gpu: int) -> None:
        """Have so many workers share each GPU, from now on. Starts all of them anew.

        Raises:
            ValueError: A worker is busy.
        """
        if any(worker.ticket is not None for worker in self._workers):
            raise ValueError("a worker is busy; wait for its pack to end")
        self.close()
        self._per_gpu = per_gpu
        self.grow()

    def grow(self) -> None:
        """Start a worker on every device of the cluster that has none."""
        self._check()
        count = self._cluster_devices() * (self._per_gpu if self._gpu else 1)
        for _ in range(count - len(self._workers)):
            self._workers.append(self._start())

    def submit(
        self,
        pack: Pack,
        *,
        checkpoint: bytes | None = None,
        checkpoint_seconds: float = math.inf,
    ) -> int:
        """Hand a pack to an idle worker; returns the ticket that its events will carry.

        Args:
            pack: What to train.
            checkpoint: Of an earlier report on the same pack: go on after it.
            checkpoint_seconds: Time between two checkpoints.

        Raises:
            ValueError: No worker is idle.
        """
        return self._give(
            lambda actor: actor.train.options(num_returns="streaming").remote(
                pack, checkpoint, checkpoint_seconds
            )
        )

    def measure(self, pack: Pack, epochs: int) -> int:
        """Have an idle worker measure what the trials of a pack cost; returns a ticket.

        Meanwhile the others get ready for such trials.

        Args:
            pack: As many trials as might train together.
            epochs: Epochs a worker may have to train, those of all trials together.

        Raises:
            ValueError: No worker is idle.
        """
        ticket = self._give(lambda actor: actor.measure.remote(pack, epochs), measured=pack)
        for other in filter(_idle, self._workers):
            _prepare(other, pack)
        return ticket

    def _give(self, start: Callable[[Any], Any], measured: Pack | None = None) -> int:
        worker = next(filter(_idle, self._workers), None)
        if worker is None:
            raise ValueError("every worker is busy; wait for a pack to end")
        self._tickets += 1
        worker.ticket = self._tickets
        worker.work = start(worker.actor)
        worker.measured = measured
        return worker.ticket

    def poll(self, timeout: float) -> list[PackEvent]:
        """Wait for something to happen, at most `timeout` seconds, and return it.

        Raises:
            WorkersLostError: Workers die without training an epoch, again and again.
            ClusterLostError: The cluster is broken.
        """
        self._check()
        waiting = {
            worker.introduction if worker.device is None else worker.work: worker
            for worker in self._workers
            if not _idle(worker)
        }
        if not waiting:
            if not self._workers:  # all nodes are gone: look for new ones, without haste
                time.sleep(timeout)
                self.grow()
            return []
        ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0, fetch_local=False)
        if not ready:
            ready, _ = ray.wait(list(waiting), num_returns=1, timeout=timeout, fetch_local=False)
        events = []
        for worker in [waiting[reference] for reference in ready]:
            if worker.device is None:
                self._welcome(worker)
            else:
                events.append(self._next(worker, worker.device))
        self._forget_late()
        return events

    def uses(self) -> tuple[tuple[Device, int | None], ...]:
        """Return where the workers that are up train, and the ticket of what; None while idle."""
        return tuple(
            (worker.device, worker.ticket) for worker in self._workers if worker.device is not None
        )

    def want_checkpoints(self) -> None:
        """Have every pack in training come with a checkpoint at its next epoch."""
        for worker in self._workers:
            if isinstance(worker.work, ray.ObjectRefGenerator):
                worker.actor.want_checkpoint.options(concurrency_group=CONTROL).remote()

    def cancel(self) -> None:
        """Stop what is running; each pack ends with `PackLost` at its next epoch."""
        for worker in self._workers:
            if isinstance(worker.work, ray.ObjectRefGenerator):
                ray.cancel(worker.work)

    def cluster(self) -> Cluster:
        """Describe the cluster, for another process to join.

        Raises:
            WorkersLostError: No device is left.
        """
        context = ray.get_runtime_context()
        found = Cluster(context.gcs_address, self._gpu, self._cluster_devices())
        if not found.devices:
            raise WorkersLostError("the Ray cluster has no device left")
        return found

    def _cluster_devices(self) -> int:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return int(resources.get("GPU" if self._gpu else "CPU", 0))

    def close(self) -> None:
        """End all workers and leave their devices to others; `grow` starts new ones."""
        for worker in self._workers:
            ray.kill(worker.actor)
        self._workers = []

    def _start(self) -> _Worker:
        settings = TrainerSettings(
            gpu=self._gpu,
            sharing=self._per_gpu if self._gpu else most_cpus_of_a_node(),
            memory=self._memory,
        )
        # Ray's own types do not know of the groups.
        trainer: Any = ray.remote(concurrency_groups={CONTROL: 1})(Trainer)  # type: ignore[call-overload]
        actor = trainer.options(**resources(self._gpu, self._per_gpu)).remote(settings)
        return _Worker(actor, actor.device.remote(), time.monotonic())

    def _welcome(self, worker: _Worker) -> None:
        try:
            device: Device = ray.get(worker.introduction)
        except (RayActorError, RayTaskError) as error:
            self._drop(worker, f"a worker could not start: {_first_line(error)}")
            self.grow()
            return
        worker.device = device
        for pack in [one.measured for one in self._workers if one.measured]:
            _prepare(worker, pack)
        logger.info("training on %s (%s), worker %d", device.kind, device.name, device.pid)

    def _next(self, worker: _Worker, device: Device) -> PackEvent:
        """Take one report, the end or a measurement, of a worker that has something to tell."""
        ticket = worker.ticket
        assert ticket is not None  # noqa: S101 - only busy workers are asked
        try:
            event = _take(worker.work, ticket, device)
        except OutOfMemoryError as error:
            # Not counted as a loss: there is a way out, which is to try less at once.
            logger.warning("worker %d on %s was killed: no memory left", device.pid, device.name)
            self._workers.remove(worker)
            self.grow()
            return PackTooLarge(ticket, f"the worker was killed: {_first_line(error)}")
        except RayActorError as error:
            self._drop(worker, f"worker {device.pid} on {device.name} died; starting another")
            self.grow()
            return PackLost(ticket, f"the worker died: {_first_line(error)}")
        if not isinstance(event, EpochDone):
            worker.ticket = worker.work = worker.measured = None
        if not isinstance(event, PackLost | PackTooLarge):
            self._losses = 0
        return event

    def _drop(self, worker: _Worker, why: str) -> None:
        """Part with a worker.

        Raises:
            WorkersLostError: It is the last of many in a row.
        """
        logger.warning(why)
        self._workers.remove(worker)
        self._losses += 1
        if self._losses > LOSSES_IN_A_ROW:
            raise WorkersLostError(
                f"{self._losses} workers in a row died before they trained one epoch; "
                f"most often memory ran out; the last: {why}"
            )

    def _forget_late(self) -> None:
        """Part with workers that do not come up: their node may be gone."""
        now = time.monotonic()
        for worker in list(self._workers):
            if worker.device is None and now - worker.started > START_TIMEOUT:
                ray.kill(worker.actor)
                self._drop(worker, f"a worker did not start within {START_TIMEOUT:.0f} s")


def _prepare(worker: _Worker, pack: Pack) -> None:
    """Have a worker import, load and trace what its first pack would have to.

    Measuring few trials does all that, with care for memory; what it finds is of no use.
    """
    worker.actor.measure.remote(Pack(pack.trials[:PREPARED]), 0)


def _take(work: Any, ticket: int, device: Device) -> PackEvent:
    """Return the next event of a worker's work."""
    try:
        if not isinstance(work, ray.ObjectRefGenerator):
            return Measured(ticket, ray.get(work))
        return EpochDone(ticket, ray.get(next(work)), device)
    except StopIteration:
        return PackEnded(ticket)
    except TaskCancelledError:
        return PackLost(ticket, "cancelled")
    except RayTaskError as error:
        cause = error.cause or error
        if isinstance(cause, PackTooLargeError):
            return PackTooLarge(ticket, str(cause).splitlines()[0])
        return PackFailed(ticket, _first_line(cause))


def _idle(worker: _Worker) -> bool:
    return worker.device is not None and worker.ticket is None


def _first_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message: for people, in a table."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
