"""The runner process: connects to Ray, then works through the queue until it is told to stop."""

import logging
import math
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy.exc import DBAPIError

from service.db import Database
from service.db.trouble import passing
from service.errors import LeaseLostError, NotFoundError
from service.logs import adopt
from service.queue import Lease, claim
from service.queue.watch import Watch
from service.runner.checkpoints import Checkpoints
from service.runner.devices import described, use_of
from service.runner.planner import Planner
from service.runner.presence import Presence
from service.runner.sizing import PackSizes
from service.runner.study_run import StudyRun, Terms
from service.runners.model import DeviceUse, RunnerState
from service.search.queries import searched
from service.search.run import SearchRun
from service.settings import Settings
from service.signals import ending_at_once, stop_on_signals
from service.studies.repository import row, unfinished
from workers.connection import ClusterLostError, Connection, connect
from workers.execution import RayPool, WorkersLostError
from workers.places import DeviceChoice
from workers.search.contracts import SearchJob
from workers.search.process import SearchProcess

logger = logging.getLogger(__name__)

SWEEP_EVERY = 60.0
"""Seconds between two looks for checkpoints that nobody needs any more."""
IDLE = 0.1
"""Seconds between two looks into an empty queue; a look is one short read."""
WATCH_EVERY = 2.0
"""Seconds between two looks at the leases of others."""
TROUBLED = 1.0
"""Seconds between two tries while the database does not answer."""
CLUSTERS = 3
"""Clusters in a row that may be lost before one has lived for `STEADY` seconds."""
STEADY = 60.0


def run(settings: Settings, stop: threading.Event) -> None:
    """Work through the queue until `stop` is set, then put back what is unfinished.

    When Ray's own processes die, a new cluster is started, or the old one joined anew.

    Raises:
        ConnectionError: No Ray cluster at the address.
        WorkersLostError: Workers die as fast as they are started.
        ClusterLostError: So does the cluster.
        TablesOutdatedError: The database's tables are not those of this version.
    """
    database = Database(settings.url)
    presence = Presence(database)
    presence.start()
    lost = 0
    try:
        while not stop.is_set():
            began = time.monotonic()
            try:
                _on_one_cluster(database, presence, settings, stop)
            except ClusterLostError as error:
                lost = 1 if time.monotonic() - began > STEADY else lost + 1
                if lost > CLUSTERS:
                    raise
                logger.warning("%s; connecting anew", error)
                presence.tell(RunnerState.IDLE)
    finally:
        presence.close()
        database.close()


def check_token(settings: Settings, environment: Mapping[str, str]) -> None:
    """Refuse a cluster that lets in everybody: whoever reaches its ports can run code there.

    Ray uses a token by itself for a cluster of its own, and for no other.

    Raises:
        ConnectionError: No token would be sent, and that is not wanted.
    """
    if settings.ray_address == "local" or settings.ray_without_token:
        return
    if environment.get("RAY_AUTH_MODE", "").lower() != "token":
        raise ConnectionError(
            f"the Ray cluster at {settings.ray_address} would be joined without a token: set "
            "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN for this process and all of the cluster's, or "
            "LPWD_RAY_WITHOUT_TOKEN=true where nobody else reaches Ray's ports"
        )


def _on_one_cluster(
    database: Database, presence: Presence, settings: Settings, stop: threading.Event
) -> None:
    """Work until told to stop, or until the cluster is lost."""
    check_token(settings, os.environ)
    logger.info("connecting to Ray: %s", settings.ray_address)
    with ExitStack() as opened:
        with ending_at_once(presence.close):
            connection = connect(settings.ray_address)
            opened.callback(connection.close)
            adopt()  # only now: Ray has a handler of its own in place
            pool = opened.enter_context(_pool(connection, settings))
            stop_on_signals(stop)  # in place of Ray's
        Runner(database, pool, presence, connection, settings, stop).serve()


@contextmanager
def _pool(connection: Connection, settings: Settings) -> Iterator[RayPool]:
    pool = RayPool(
        DeviceChoice(settings.worker_device),
        per_gpu=1 if settings.workers_per_gpu == "auto" else settings.workers_per_gpu,
        memory=settings.worker_memory,
        check=connection.check,
    )
    try:
        yield pool
    except ClusterLostError:
        raise  # there is nothing left to close
    except BaseException:
        pool.close()
        raise
    else:
        pool.close()


@dataclass
class Runner:
    """What works through the queue, on one cluster."""

    database: Database
    pool: RayPool
    presence: Presence
    connection: Connection
    settings: Settings
    stop: threading.Event
    _silent: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make what lives as long as the runner."""
        self._sizes = PackSizes(
            ceiling=self.settings.pack_size, memory_share=self.settings.memory_share
        )
        self._checkpoints = Checkpoints(
            self.settings.data_dir / "checkpoints", most_bytes=self.settings.checkpoint_bytes
        )
        self._watch = Watch(self.settings.lease_seconds)
        self._watched = self._swept = -math.inf

    def serve(self) -> None:
        """Train study after study until `stop` is set. Raises as `run`."""
        logger.info("runner on %s ready: %s", socket.gethostname(), described(self.pool))
        troubled = False
        while not self.stop.is_set():
            self.pool.grow()
            self.pool.poll(0.0)
            self._tell(RunnerState.IDLE)
            if not self.pool.devices:  # after a search, which had the devices to itself
                self.pool.poll(IDLE)
                continue
            try:
                self._sweep()
                busy = self.process_one()
            except DBAPIError as error:
                what = passing(error)
                if not troubled:
                    logger.warning("%s; trying again: %s", what, error.orig)
                troubled = True
                self.stop.wait(TROUBLED)
                continue
            if troubled:
                logger.info("the database answers again")
                troubled = False
            if not busy:
                self.stop.wait(IDLE)

    def process_one(self) -> bool:
        """Train one study from the queue; returns whether there was one."""
        device = described(self.pool)
        now = time.monotonic()
        if now - self._watched > WATCH_EVERY:
            self._silent = self._watch.silent(self.database)
            self._watched = now
        lease = claim(
            self.database,
            seconds=self.settings.lease_seconds,
            device=device,
            losses=self.settings.study_losses,
            silent=self._silent,
        )
        if lease is None:
            return False
        with structlog.contextvars.bound_contextvars(study=lease.study_id):
            logger.info("study %s: training on %s", lease.study_id, device)
            self._train(lease)
        return True

    def _train(self, lease: Lease) -> None:
        """Train a study, and see to it that it is not lost with what it trains on."""
        self._tell(RunnerState.TRAINING, lease.study_id)
        try:
            state = self._prepared(lease).run()
        except LeaseLostError as error:
            logger.info("%s: it was cancelled, or taken over", error)
        except NotFoundError as error:
            logger.info("%s: it was deleted just now", error)
        except DBAPIError as error:
            # Its lease runs out, and whoever is there then goes on with what is missing.
            logger.error("study %s: %s: %s", lease.study_id, passing(error), error.orig)
        except (ClusterLostError, WorkersLostError) as error:
            self._put_back(lease, str(error))
            raise
        else:
            logger.info("study %s: %s", lease.study_id, state or "put back into the queue")

    def _put_back(self, lease: Lease, reason: str) -> None:
        try:
            with self.database.write() as session:
                lease.lose(session, reason, self.settings.study_losses)
        except LeaseLostError:
            return
        except DBAPIError as error:
            logger.warning("study %s: %s", lease.study_id, passing(error))

    def _prepared(self, lease: Lease) -> StudyRun | SearchRun:
        """Make ready to train a study, whichever its mode."""
        with self.database.read() as session:
            searching = searched(row(session, lease.study_id))
        if searching:
            cluster = self.pool.cluster()
            device = described(self.pool, at_least=cluster.devices)
            self.pool.close()  # the search brings workers of its own

            def start(job: SearchJob) -> SearchProcess:
                """Raises `WorkersLostError`."""
                self.connection.check()
                here = self.pool.cluster()
                return SearchProcess(
                    job,
                    here.address,
                    gpu=here.gpu,
                    devices=here.devices,
                    memory=self.settings.worker_memory,
                )

            return SearchRun(
                self.database,
                lease,
                start,
                attempts=self.settings.trial_attempts,
                stopping=self.stop.is_set,
                check=self.connection.check,
                drain_seconds=self.settings.drain_seconds,
                turn_seconds=self.settings.turn_seconds,
                tell=lambda: self._tell(RunnerState.TRAINING, lease.study_id),
                device=device,
            )
        return StudyRun(
            self.database,
            self.pool,
            lease,
            Planner(self.database, lease, self._sizes, self._checkpoints),
            self._checkpoints,
            Terms(
                checkpoint_seconds=self.settings.checkpoint_seconds,
                attempts=self.settings.trial_attempts,
                share_gpus=self.settings.workers_per_gpu == "auto",
                drain_seconds=self.settings.drain_seconds,
                turn_seconds=self.settings.turn_seconds,
            ),
            stopping=self.stop.is_set,
            tell=lambda uses: self._tell(RunnerState.TRAINING, lease.study_id, uses),
        )

    def _tell(
        self,
        state: RunnerState,
        study_id: str | None = None,
        uses: Sequence[DeviceUse] | None = None,
    ) -> None:
        """Say what the runner does; between two studies, its devices wait."""
        if self.stop.is_set():
            state = RunnerState.DRAINING
        if uses is None:
            uses = [use_of(device, None) for device in self.pool.devices]
        self.presence.tell(state, study_id, uses)

    def _sweep(self) -> None:
        if time.monotonic() - self._swept > SWEEP_EVERY:
            sweep(self.database, self._checkpoints)
            self._swept = time.monotonic()


def sweep(database: Database, checkpoints: Checkpoints) -> None:
    """Remove checkpoints of studies that have ended, were cancelled or are gone."""
    kept = checkpoints.studies()
    with database.read() as session:
        alive = unfinished(session, kept)
    checkpoints.forget(set(kept) - alive)
