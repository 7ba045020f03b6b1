"""Packs to measure, and how their steps are timed."""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

from torch import Tensor

from benchmarks.report import one_thread
from service.runner.sizing import MEASURED
from workers import tasks
from workers.contracts import Budget, NumericMode, Pack, TrialSpec
from workers.packing import best_size
from workers.training import StackedRun
from workers.training.measure import measure

WARM = 3
"""Steps before those that are timed: programs are traced and compiled in them."""
CHUNK = 0.05
"""Seconds of steps that make one reading of the clock, at least."""


def pack(task: str, size: int, *, compile_it: bool = False, epochs: int | None = None) -> Pack:
    """Return as many trials of a task, with AdamW at one rate and as many decays."""
    found = tasks.get(task)
    numerics = NumericMode(compile=compile_it)
    budget = Budget(epochs or found.epochs, found.batch_size, numerics=numerics)
    return Pack(
        tuple(
            TrialSpec(found.name, found.version, "adamw", 1, 0.003, 0.1 * n / size, 0, budget)
            for n in range(size)
        )
    )


def planned_size(task: str, trials: int = MEASURED) -> int:
    """Return how many of so many trials of a task the planner would train together."""
    sample = pack(task, trials).trials
    epochs = sample[0].budget.epochs
    return best_size(measure(sample, epochs=trials * epochs), epochs=epochs)


def steps(run: StackedRun) -> Iterator[None]:
    """Take a step for each item, over and over the full batches of one epoch."""
    size = run.pack.budget.batch_size
    batches: list[tuple[Tensor, Tensor]] = [b for b in run.batches() if b[1].shape[1] == size]
    for inputs, targets in cycle(batches):
        run.step(inputs, targets)
        yield


def seconds_each(
    work: Iterator[None], *, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the median time of an item, over chunks of items that last `seconds` altogether."""
    for _ in range(WARM):
        next(work)
    took: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not took:
        items, began = 0, clock()
        while (passed := clock() - began) < CHUNK or items == 0:
            next(work)
            items += 1
        took.append(passed / items)
    return statistics.median(took)


_barrier: Any = None


def abreast(work: Callable[..., float], workers: int, *arguments: Any) -> list[float]:
    """Call a function in several processes of one thread each, as workers train.

    Args:
        work: Of a module; it calls `together()` when it is prepared, and then measures.
        workers: How many.
        arguments: Given to each.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(workers)
    with context.Pool(workers, initializer=_begin, initargs=(barrier,)) as pool:
        return pool.starmap(work, [arguments] * workers, chunksize=1)


def together() -> None:
    """Wait until all processes of `abreast` are here."""
    _barrier.wait()


def _begin(barrier: Any) -> None:
    global _barrier
    _barrier = barrier
    one_thread()


def abreast_step_seconds(task: str, size: int, compile_it: bool, seconds: float) -> float:
    """Return the time of a step of a pack, in one of the processes of `abreast`."""
    work = steps(StackedRun(pack(task, size, compile_it=compile_it)))
    for _ in range(WARM):
        next(work)
    together()
    return seconds_each(work, seconds=seconds)
