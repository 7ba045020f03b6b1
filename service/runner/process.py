"""The runner process: connects to Ray, then works through the queue until it is told to stop."""

import logging
import math
import socket
import threading
import time
from functools import partial

import ray
import structlog
from sqlalchemy.exc import OperationalError

from service.db import Database
from service.errors import LeaseLostError
from service.logs import adopt
from service.queue import Lease, claim
from service.runner.checkpoints import Checkpoints
from service.runner.planner import Planner
from service.runner.sizing import PackSizes
from service.runner.study_run import StudyRun
from service.search.queries import searched
from service.search.run import SearchRun
from service.settings import Settings
from service.signals import stop_on_signals
from service.studies.repository import row, unfinished
from workers.execution import DeviceChoice, RayPool, connect
from workers.search.contracts import SearchJob
from workers.search.process import SearchProcess

logger = logging.getLogger(__name__)

SWEEP_EVERY = 60.0
"""Seconds between two looks for checkpoints that nobody needs any more."""
IDLE = 0.1
"""Seconds between two looks into an empty queue; a look is one short read."""


def run(settings: Settings, stop: threading.Event) -> None:
    """Work through the queue until `stop` is set, then put back what is unfinished.

    Raises:
        ConnectionError: No Ray cluster at the address.
        WorkersLostError: Workers die as fast as they are started.
    """
    database = Database(settings.url)
    logger.info("connecting to Ray: %s", settings.ray_address)
    connect(settings.ray_address)
    adopt()  # only now: Ray has a handler of its own in place
    try:
        pool = RayPool(
            DeviceChoice(settings.worker_device),
            per_gpu=1 if settings.workers_per_gpu == "auto" else settings.workers_per_gpu,
            memory=settings.worker_memory,
        )
        try:
            stop_on_signals(stop)  # only now: Ray puts handlers of its own in place
            _serve(database, pool, settings, stop)
        finally:
            pool.close()
    finally:
        ray.shutdown()
        database.close()


def _serve(database: Database, pool: RayPool, settings: Settings, stop: threading.Event) -> None:
    logger.info("runner on %s ready: %s", socket.gethostname(), _describe(pool))
    sizes = PackSizes(ceiling=settings.pack_size, memory_share=settings.memory_share)
    checkpoints = Checkpoints(
        settings.data_dir / "checkpoints", most_bytes=settings.checkpoint_bytes
    )
    swept = -math.inf
    while not stop.is_set():
        pool.grow()
        pool.poll(0.0)
        if not pool.devices:  # after a search, which had the devices to itself
            pool.poll(IDLE)
            continue
        try:
            if time.monotonic() - swept > SWEEP_EVERY:
                sweep(database, checkpoints)
                swept = time.monotonic()
            busy = process_one(database, pool, sizes, checkpoints, settings, stop)
        except OperationalError as error:
            logger.warning("the database does not answer, trying again: %s", error.orig)
            busy = False
        if not busy:
            stop.wait(IDLE)


def sweep(database: Database, checkpoints: Checkpoints) -> None:
    """Remove checkpoints of studies that have ended, were cancelled or are gone."""
    kept = checkpoints.studies()
    with database.read() as session:
        alive = unfinished(session, kept)
    checkpoints.forget(set(kept) - alive)


def process_one(
    database: Database,
    pool: RayPool,
    sizes: PackSizes,
    checkpoints: Checkpoints,
    settings: Settings,
    stop: threading.Event,
) -> bool:
    """Train one study from the queue; returns whether there was one."""
    device = _describe(pool)
    lease = claim(database, seconds=settings.lease_seconds, device=device)
    if lease is None:
        return False
    structlog.contextvars.bind_contextvars(study=lease.study_id)
    try:
        logger.info("study %s: training on %s", lease.study_id, device)
        state = _prepared(database, pool, lease, sizes, checkpoints, settings, stop).run()
    except LeaseLostError as error:
        logger.info("%s: it was cancelled, or taken over", error)
    except OperationalError as error:
        # Its lease runs out, and whoever is there then goes on with what is missing.
        logger.warning("study %s: the database does not answer: %s", lease.study_id, error.orig)
    else:
        logger.info("study %s: %s", lease.study_id, state or "put back into the queue")
    finally:
        structlog.contextvars.unbind_contextvars("study")
    return True


def _prepared(
    database: Database,
    pool: RayPool,
    lease: Lease,
    sizes: PackSizes,
    checkpoints: Checkpoints,
    settings: Settings,
    stop: threading.Event,
) -> StudyRun | SearchRun:
    """Make ready to train a study, whichever its mode."""
    with database.read() as session:
        searching = searched(row(session, lease.study_id))
    if searching:
        pool.close()  # the search brings workers of its own
        return SearchRun(
            database,
            lease,
            partial(start_search, pool),
            attempts=settings.trial_attempts,
            stopping=stop.is_set,
        )
    return StudyRun(
        database,
        pool,
        lease,
        Planner(database, lease, sizes, checkpoints),
        checkpoints,
        checkpoint_seconds=settings.checkpoint_seconds,
        share_gpus=settings.workers_per_gpu == "auto",
        attempts=settings.trial_attempts,
        stopping=stop.is_set,
    )


def start_search(pool: RayPool, job: SearchJob) -> SearchProcess:
    """Start the process of a search on the pool's cluster. Raises `WorkersLostError`."""
    cluster = pool.cluster()
    return SearchProcess(job, cluster.address, gpu=cluster.gpu, devices=cluster.devices)


def _describe(pool: RayPool) -> str:
    """Name the devices for people: ``2 × cpu (AMD EPYC)``."""
    names = [f"{device.kind} ({device.name})" for device in pool.devices]
    return ", ".join(f"{names.count(name)} × {name}" for name in sorted(set(names)))[:300]
