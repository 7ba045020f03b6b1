"""Packs on Ray: one long-lived actor a device, results streaming back after every epoch.

Plain Ray Core actors, not Ray Tune: a process and a torch import for every trial cost more than
small trials themselves (docs/decisions/0002-ray-core-actors.md).
"""

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError, TaskCancelledError

from workers.contracts import Device, EpochReport, Pack

logger = logging.getLogger(__name__)

START_TIMEOUT = 120.0
"""Seconds a worker may take to find a place, import torch and report its device."""
LOSSES_IN_A_ROW = 5
"""Workers lost without one epoch in between, after which the pool gives up."""


class DeviceChoice(StrEnum):
    """What to train on."""

    AUTO = "auto"
    """GPUs if Ray has any, else CPU cores."""
    CPU = "cpu"
    GPU = "gpu"


class WorkersLostError(Exception):
    """Workers die as fast as they are started."""


@dataclass(frozen=True)
class EpochDone:
    """A pack has trained one epoch more."""

    ticket: int
    report: EpochReport
    device: Device


@dataclass(frozen=True)
class PackEnded:
    """A pack has trained its whole budget."""

    ticket: int


@dataclass(frozen=True)
class PackFailed:
    """A pack raised an error: trying the same again would raise it again."""

    ticket: int
    reason: str


@dataclass(frozen=True)
class PackLost:
    """A pack's worker died, or the pack was cancelled. Its unfinished trials may be tried again."""

    ticket: int
    reason: str


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster, and what it trains on."""

    address: str
    gpu: bool
    devices: int


PackEvent = EpochDone | PackEnded | PackFailed | PackLost


class _Trainer:
    """The actor. torch is imported here and not before, so that the runner need not have it."""

    def __init__(self, gpu: bool) -> None:
        from workers import device

        self._torch_device = device.prepare(gpu=gpu)
        self._device = device.describe(self._torch_device)

    def device(self) -> Device:
        """Describe where this actor trains."""
        return self._device

    def train(self, pack: Pack) -> Iterator[EpochReport]:
        """Train a pack, one report an epoch."""
        from workers.training import train

        yield from train(pack, self._torch_device)


@dataclass
class _Worker:
    """An actor. It introduces itself once torch is imported; until then it has no device."""

    actor: Any
    introduction: Any
    started: float
    device: Device | None = None
    ticket: int | None = None
    """Of the pack it trains; None while it waits."""
    reports: Any = None


def connect(address: str, *, cpus: int | None = None) -> None:
    """Join a Ray cluster, or start one here.

    Args:
        address: ``local`` for a cluster of this process's own, else as `ray.init` takes it.
        cpus: Cores of a local cluster; all of the machine's by default.

    Raises:
        ConnectionError: No cluster answers at the address.
    """
    # Read when Ray is imported in its child processes: nothing is sent home.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    local = address == "local"
    ray.init(
        address=address,
        num_cpus=cpus if local else None,
        include_dashboard=False if local else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


class RayPool:
    """Workers, one a device of the cluster, and what they are at. Used by one thread.

    `idle` tells how many packs may be submitted; `poll` returns what happened since.
    """

    def __init__(self, choice: DeviceChoice = DeviceChoice.AUTO) -> None:
        """Start the workers of the cluster that `connect` joined, and wait for the first.

        Raises:
            RuntimeError: GPUs are asked for and the cluster has none.
            WorkersLostError: No worker starts.
        """
        self._gpu = _use_gpu(choice)
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
    def idle(self) -> int:
        """How many workers wait for a pack."""
        return sum(_idle(worker) for worker in self._workers)

    def grow(self) -> None:
        """Start a worker on every device of the cluster that has none."""
        for _ in range(self._cluster_devices() - len(self._workers)):
            self._workers.append(self._start())

    def submit(self, pack: Pack) -> int:
        """Hand a pack to an idle worker; returns the ticket that its events will carry.

        Raises:
            ValueError: No worker is idle.
        """
        worker = next(filter(_idle, self._workers), None)
        if worker is None:
            raise ValueError("every worker is busy; wait for a pack to end")
        self._tickets += 1
        worker.ticket = self._tickets
        worker.reports = worker.actor.train.options(num_returns="streaming").remote(pack)
        return worker.ticket

    def poll(self, timeout: float) -> list[PackEvent]:
        """Wait for something to happen, at most `timeout` seconds, and return it.

        Raises:
            WorkersLostError: Workers die without training an epoch, again and again.
        """
        waiting = {
            worker.introduction if worker.device is None else worker.reports: worker
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

    def cancel(self) -> None:
        """Stop what is running; each pack ends with `PackLost` at its next epoch."""
        for worker in self._workers:
            if worker.ticket is not None:
                ray.cancel(worker.reports)

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
        resources = {"num_cpus": 0, "num_gpus": 1} if self._gpu else {"num_cpus": 1}
        trainer: Any = ray.remote(_Trainer)
        actor = trainer.options(**resources).remote(self._gpu)
        return _Worker(actor, actor.device.remote(), time.monotonic())

    def _welcome(self, worker: _Worker) -> None:
        try:
            device: Device = ray.get(worker.introduction)
        except (RayActorError, RayTaskError) as error:
            self._drop(worker, f"a worker could not start: {_first_line(error)}")
            self.grow()
            return
        worker.device = device
        logger.info("training on %s (%s), worker %d", device.kind, device.name, device.pid)

    def _next(self, worker: _Worker, device: Device) -> PackEvent:
        """Take one report, or the end, of a worker that has something to tell."""
        ticket = worker.ticket
        assert ticket is not None  # noqa: S101 - only busy workers are asked
        try:
            report = ray.get(next(worker.reports))
        except StopIteration:
            worker.ticket = worker.reports = None
            return PackEnded(ticket)
        except TaskCancelledError:
            worker.ticket = worker.reports = None
            return PackLost(ticket, "cancelled")
        except RayActorError as error:
            self._drop(worker, f"worker {device.pid} on {device.name} died; starting another")
            self.grow()
            return PackLost(ticket, f"the worker died: {_first_line(error)}")
        except RayTaskError as error:
            worker.ticket = worker.reports = None
            return PackFailed(ticket, _first_line(error.cause if error.cause else error))
        self._losses = 0
        return EpochDone(ticket, report, device)

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


def _use_gpu(choice: DeviceChoice) -> bool:
    """Decide between GPUs and CPU cores; a request for a GPU that is not there would wait for ever.

    Raises:
        RuntimeError: GPUs are asked for and the cluster has none.
    """
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    gpus = resources.get("GPU", 0) >= 1
    if choice is DeviceChoice.GPU and not gpus:
        raise RuntimeError(
            "LPWD_WORKER_DEVICE=gpu, but the Ray cluster has no GPU: add a node with one, "
            "or set LPWD_WORKER_DEVICE=auto"
        )
    return gpus and choice is not DeviceChoice.CPU


def _idle(worker: _Worker) -> bool:
    return worker.device is not None and worker.ticket is None


def _first_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message: for people, in a table."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
