"""The process of a search: Ray Tune on the runner's cluster, with a line to the runner."""

import logging
import multiprocessing
import os
import signal
import threading
import warnings
from multiprocessing.connection import Connection, wait
from typing import Any

from workers.search.contracts import (
    KnownTrial,
    Message,
    Proposed,
    SearchBroken,
    SearchEnded,
    SearchJob,
)
from workers.standing_back import stand_back

RETRIES = 2
"""Times that a point is begun again after the process that trained it died."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Snapshots of the experiment, which nobody would read: the database is the truth.
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    # Workers stay where they are: paths of data may be relative.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


class Line:
    """The connection to the runner; used by one thread at a time."""

    def __init__(self, connection: Connection) -> None:
        """Talk over a connection."""
        self._connection = connection

    def tell(self, message: Message) -> None:
        """Send a message."""
        self._connection.send(message)

    def ask(self, point: Proposed) -> tuple[KnownTrial, ...] | None:
        """Announce a point and wait for what is known of it."""
        self.tell(point)
        known: tuple[KnownTrial, ...] | None = self._connection.recv()
        return known


def main(
    job: SearchJob,
    address: str,
    *,
    gpu: bool,
    devices: int,
    memory: int | None,
    folder: str,
    connection: Connection,
) -> None:
    """Search until every optimizer's budget is used up. Runs in a process of its own.

    Args:
        job: What to search.
        address: Of the Ray cluster.
        gpu: Whether to train on GPUs, one a point; else on CPU cores.
        devices: Points trained at a time.
        memory: Bytes that a worker on a CPU may take for a point; None for all there is.
        folder: For what Ray Tune insists on writing.
        connection: To the runner.
    """
    os.setsid()  # a group of its own, so that all of it can be ended
    stand_back(0)  # the new session, too, as far as this process does already
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    os.environ.update(QUIET)
    line = Line(connection)
    try:
        _search(job, address, gpu=gpu, devices=devices, memory=memory, folder=folder, line=line)
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        line.tell(SearchBroken(f"{type(error).__name__}: {lines[0]}"))
        raise
    line.tell(SearchEnded())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)


def _search(
    job: SearchJob,
    address: str,
    *,
    gpu: bool,
    devices: int,
    memory: int | None,
    folder: str,
    line: Line,
) -> None:
    import optuna
    import ray
    from ray import tune
    from ray.tune.search import ConcurrencyLimiter

    from workers.search.reporter import Reporter
    from workers.search.searcher import SearchEach
    from workers.search.trainable import PointTrainable

    warnings.simplefilter("ignore")  # of Ray and Optuna, to people who wrote neither
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray").setLevel(logging.CRITICAL)  # what goes wrong is told by us
    searcher = SearchEach(job, gpu=gpu, memory=memory, ask=line.ask, tell=line.tell)
    resources = {"CPU": 0.0, "GPU": 1.0} if gpu else {"CPU": 1.0}
    tune.Tuner(
        tune.with_resources(PointTrainable, resources),
        tune_config=tune.TuneConfig(
            num_samples=-1,
            search_alg=ConcurrencyLimiter(searcher, max_concurrent=devices),
            scheduler=_scheduler(job),
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="search",
            storage_path=folder,
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            callbacks=[Reporter(line.tell)],
        ),
    ).fit()
    searcher.weigh()


def _scheduler(job: SearchJob) -> Any:
    """Return what stops bad points, knowing those of before; or what stops none."""
    from ray.tune.schedulers import FIFOScheduler

    from workers.search.halving import HalvingEach

    if job.search.halving is None:
        return FIFOScheduler()  # type: ignore[no-untyped-call]
    scheduler = HalvingEach(
        job.search.halving, epochs=job.search.budget.epochs, maximize=job.maximize
    )
    for label, past in job.past.items():
        scheduler.recall(label, past)
    return scheduler
