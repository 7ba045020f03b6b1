"""The ways that `versus.py` compares. It runs each in a process of its own:

    python -m benchmarks.ways plain [--quick]

prints one line of JSON: seconds for the whole grid, and every trial's test accuracy. What is not
training is left out where that is fair: imports, starting Ray, a first trial to warm up a loop.
"""

import argparse
import json
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.grid import FULL, QUICK, Grid
from benchmarks.plain_loop import PlainRun, Scores, train
from workers.contracts import TrialSpec


@dataclass(frozen=True)
class Outcome:
    """What a way needed and reached."""

    seconds: float
    """For the whole grid."""
    accuracies: list[float]
    """On test, after the last epoch, one a trial."""
    note: str = ""


def tune_function(grid: Grid) -> Outcome:
    """(a) Stock Ray Tune: a function, one CPU and so one process a trial."""
    from ray import tune

    def trainable(config: dict[str, Any]) -> None:
        torch.set_flush_denormal(True)
        train(grid.trial(**config), hear=lambda scores: tune.report(asdict(scores)))

    return _tune(grid, trainable, reuse=False)


def tune_reuse(grid: Grid) -> Outcome:
    """(b) Ray Tune that reuses its actors: a class whose configuration can be reset."""
    from ray import tune

    class Trainable(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            torch.set_flush_denormal(True)
            self.run = PlainRun(grid.trial(**config))

        def step(self) -> dict[str, float | bool]:
            scores = asdict(self.run.train_epoch())
            return {**scores, "done": self.run.epoch == grid.epochs}

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.run = PlainRun(grid.trial(**new_config))
            return True

    return _tune(grid, Trainable, reuse=True)


def _tune(grid: Grid, trainable: Any, *, reuse: bool) -> Outcome:
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AIR_NEW_OUTPUT="0")
    import ray
    from ray import tune

    # A cluster of its own: the address of another may be left over from one that is gone.
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            param_space={
                "learning_rate": tune.grid_search(list(grid.learning_rates)),
                "weight_decay": tune.grid_search(list(grid.weight_decays)),
                "seed": tune.grid_search(list(grid.seeds)),
            },
            tune_config=tune.TuneConfig(reuse_actors=reuse),
            run_config=tune.RunConfig(
                storage_path=folder,
                verbose=0,
                # As functions do; a class would write one at the end, and slow it down.
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        began = time.perf_counter()
        results = tuner.fit()
        seconds = time.perf_counter() - began
        if results.errors:
            raise results.errors[0]
        found = [result.metrics["test"] for result in results]
    ray.shutdown()
    return Outcome(seconds, found, "Ray is up; a report an epoch")


def optuna_grid(grid: Grid) -> Outcome:
    """(c) Optuna in one process: every point of the grid, results in a SQLite file."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {
        "learning_rate": list(grid.learning_rates),
        "weight_decay": list(grid.weight_decays),
        "seed": list(grid.seeds),
    }

    def objective(trial: optuna.Trial) -> float:
        point = {name: trial.suggest_categorical(name, values) for name, values in space.items()}
        scores = train(grid.trial(**point))
        trial.set_user_attr("test", scores.test)
        return scores.validation

    torch.set_num_threads(1)
    train(_warm(grid))
    with tempfile.TemporaryDirectory() as folder:
        study = optuna.create_study(
            storage=f"sqlite:///{folder}/optuna.db",
            sampler=optuna.samplers.GridSampler(space),
            direction="maximize",
        )
        began = time.perf_counter()
        study.optimize(objective, n_trials=len(grid.trials()))
        seconds = time.perf_counter() - began
        found = [trial.user_attrs["test"] for trial in study.trials]
    return Outcome(seconds, found, "warm; 1 thread; one result a trial is stored")


def plain(grid: Grid, *, threads: int | None = None, fused: bool | None = None) -> Outcome:
    """(d) A plain loop in one process."""
    if threads is not None:
        torch.set_num_threads(threads)
    train(_warm(grid), fused=fused)
    began = time.perf_counter()
    scores = [train(trial, fused=fused) for trial in grid.trials()]
    seconds = time.perf_counter() - began
    return Outcome(seconds, _tests(scores), f"warm; threads: {torch.get_num_threads()}")


def processes(grid: Grid) -> Outcome:
    """(e) The plain loop in two processes, one thread each."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(2, initializer=_prepare, initargs=(_warm(grid),)) as pool:
        pool.map(_ready, range(2), chunksize=1)
        began = time.perf_counter()
        scores = pool.map(train, grid.trials(), chunksize=1)
        seconds = time.perf_counter() - began
    return Outcome(seconds, _tests(scores), "both warm; 1 thread each")


def _prepare(warm: TrialSpec) -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    train(warm)


def _ready(_: int) -> None:
    time.sleep(1.0)  # long enough for the other to take the other one


def service(grid: Grid, *, first: bool = False) -> Outcome:
    """(f) Ours, as a client of the REST API sees it: from sending the study to its being done.

    Args:
        grid: To train.
        first: Whether it is the first study that the service sees since it was started. Else it
            has trained the same grid with other seeds before.
    """
    # Ours needs more than torch; the others shall not import it.
    from tests.live import serving, wait_until

    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as live,
        live.client() as client,
    ):
        wait_until(lambda: "ready:" in live.log.read_text())
        if first:
            return replace(_study(client, grid), note="up; the first study it sees")
        _study(client, replace(grid, seeds=tuple(seed + 100 for seed in grid.seeds)))
        return replace(_study(client, grid), note="up; trained as many of other seeds before")


def _study(client: Any, grid: Grid) -> Outcome:
    began = time.perf_counter()
    study = client.submit(grid.request())
    for seen in client.watch(study.study.id, listen=False):  # events come twice a second
        state = seen.state
    seconds = time.perf_counter() - began
    if state != "done":
        raise RuntimeError(f"the study ended {state}")
    cells = client.results(study.study.id).heatmaps[0].cells.values()
    return Outcome(seconds, [score for cell in cells for score in cell.scores])


def _warm(grid: Grid) -> TrialSpec:
    """Return a short trial: what the first use of anything costs is then not counted."""
    return replace(grid, epochs=1).trials()[0]


def _tests(scores: list[Scores]) -> list[float]:
    return [one.test for one in scores]


WAYS: dict[str, Callable[[Grid], Outcome]] = {
    "tune": tune_function,
    "tune-reuse": tune_reuse,
    "optuna": optuna_grid,
    "plain": plain,
    "plain-1": partial(plain, threads=1),
    "plain-2": partial(plain, threads=2),
    "plain-fused": partial(plain, threads=1, fused=True),
    "processes": processes,
    "service": service,
    "service-first": partial(service, first=True),
}


def main() -> int:
    """Train the grid in one way and print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--quick", action="store_true", help="two short trials")
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)
    outcome = WAYS[arguments.way](QUICK if arguments.quick else FULL)
    print(json.dumps(asdict(outcome)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
