"""Which trials train together, and how many: pure planning."""

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby, islice, pairwise
from math import ceil, log

from lpwd.catalogue import get
from workers.contracts import Budget, Measurement, Pack, TrialSpec

NOISE = 0.05
"""Relative difference of two timings that says nothing."""
PROMPT = 60.0
"""Seconds that a pack may train for being larger than it need be: its trials end all at once, and
the map should fill meanwhile."""
BUSY_ENOUGH = 0.7
"""Share of the time from which on a GPU is not worth sharing."""
MOST_PER_GPU = 4
"""Packs that share a GPU, at most."""
SLICE = 8
"""Trials of one optimizer that a pack should hold at least, where the order leaves the choice: each
optimizer steps on its own, and does so quicker for many."""


def best_size(measurement: Measurement, memory_share: float = 1.0, *, epochs: int = 1) -> int:
    """Choose how many trials to train together.

    Args:
        measurement: Of trials like these.
        memory_share: Share of the free memory that a pack may take.
        epochs: Of each trial.

    Returns:
        One of `quick_sizes`: the largest that has trained after `PROMPT` seconds, as the larger a
        pack, the less of its time lies between kernels; else the smallest.
    """
    sizes = quick_sizes(measurement, memory_share)
    prompt = [one for one in sizes if one * measurement.seconds.get(one, 0.0) * epochs <= PROMPT]
    return max(prompt, default=sizes[0])


def quick_sizes(measurement: Measurement, memory_share: float = 1.0) -> list[int]:
    """Return the sizes at which a trial takes the least time, but for noise, in rising order.

    They are of those that were measured and fit; 1 alone where none fits.
    """
    seconds = measurement.seconds
    most = largest_size(measurement, memory_share)
    fitting = [size for size in sorted(seconds) if size <= most]
    least = min((seconds[size] for size in fitting), default=0.0)
    return [size for size in fitting if seconds[size] <= (1 + NOISE) * least] or [1]


def largest_size(measurement: Measurement, memory_share: float = 1.0) -> int:
    """Return the most trials that fit into memory together; at least 1."""
    room = memory_share * measurement.free_bytes - measurement.fixed_bytes
    return max(1, int(room // max(1, measurement.trial_bytes)))


def pack_bytes(measurement: Measurement, size: int) -> int:
    """Predict the memory that a pack takes at its peak."""
    return measurement.fixed_bytes + size * measurement.trial_bytes


def packs_per_gpu(busy: float) -> int:
    """Choose how many packs share a GPU.

    Args:
        busy: Share of the time in which one pack keeps it computing; 0 where that is not known.

    Returns:
        As many as it takes to keep it computing, `MOST_PER_GPU` at most. One, if that does so
        most of the time: another costs memory, and they take turns.
    """
    if not 0 < busy < BUSY_ENOUGH:
        return 1
    return min(MOST_PER_GPU, max(2, int(1 / busy)))


def seconds_per_trial(seconds: Mapping[int, float]) -> Callable[[int], float]:
    """Return the time of an epoch for each trial as a function of the pack's size.

    Args:
        seconds: What was measured, by size: at least one.

    Returns:
        The measured value at a measured size, a straight line in the logarithm of the size between
        two, and the nearest one's value outside.
    """
    sizes = sorted(seconds)

    def at(size: int) -> float:
        place = bisect_left(sizes, size)
        if place == len(sizes):
            return seconds[sizes[-1]]
        if place == 0 or sizes[place] == size:
            return seconds[sizes[place]]
        low, high = sizes[place - 1], sizes[place]
        share = log(size / low) / log(high / low)
        return (1 - share) * seconds[low] + share * seconds[high]

    return at


def shared_size(
    counts: Sequence[int], *, most: int, workers: int, seconds: Callable[[int], float]
) -> int:
    """Choose the size of packs so that all workers are busy to the end.

    The best size for one worker leaves others idle where there are few trials, and one pack too
    many makes all wait for the last.

    Args:
        counts: Trials of each kind that may share a pack.
        most: Best size while there are many packs.
        workers: Workers that take packs, at least 1.
        seconds: Time of an epoch for each trial, by size.

    Returns:
        A size from 1 to `most`: the one with which all is done the soonest, the largest of equals.
    """

    def time(size: int) -> float:
        packs = [ceil(count / size) for count in counts]
        actual = max(ceil(count / parts) for count, parts in zip(counts, packs, strict=True))
        return ceil(sum(packs) / workers) * actual * seconds(actual)

    if not counts:
        return most
    # Only these differ: the sizes at which trials of a kind fall into one pack more.
    sizes = {min(most, ceil(count / n)) for count in set(counts) for n in range(1, count + 1)}
    times = {size: time(size) for size in sizes}
    least = min(times.values())
    return max(size for size, took in times.items() if took <= (1 + NOISE) * least)


def groups(trials: Iterable[TrialSpec]) -> list[int]:
    """Return how many of the trials there are of each kind that may share a pack."""
    return list(Counter(kind(trial) for trial in trials).values())


def sample(trials: Sequence[TrialSpec], most: int) -> tuple[TrialSpec, ...]:
    """Choose trials to measure, such that any first of them are like a pack.

    Args:
        trials: At least one, of one task and budget.
        most: How many at most.

    Returns:
        Trials of the first kind, optimizer by optimizer a few: first those whose state may be
        larger than SGD's.
    """
    alike = [trial for trial in trials if kind(trial) == kind(trials[0])]
    by_optimizer: dict[tuple[str, str], list[TrialSpec]] = {}
    for trial in alike:
        by_optimizer.setdefault(settings(trial), []).append(trial)
    queues = sorted(by_optimizer.values(), key=lambda own: get(own[0].optimizer).base == "sgd")
    rounds = ceil(max(map(len, queues)) / SLICE)
    mixed = (
        trial
        for turn in range(rounds)
        for own in queues
        for trial in own[turn * SLICE : (turn + 1) * SLICE]
    )
    return tuple(islice(mixed, most))


def plan_packs(trials: Iterable[TrialSpec], *, size: int, workers: int = 1) -> list[Pack]:
    """Divide trials into packs.

    Packs hold one task and budget, and one seed: its data is then shared by all of the pack, and
    the first seed's whole map is there before the second is begun. Packs that run at the same time
    are filled together: their trials are the next in order, each optimizer's beside each other.

    Args:
        trials: In the order in which the map should fill.
        size: Most trials in one pack, at least 1.
        workers: Packs that run at the same time.

    Returns:
        Packs in the order to run them, of nearly equal size within a seed.
    """
    if size < 1:
        raise ValueError(f"a pack holds at least one trial, not {size}")
    packs: list[Pack] = []
    for _, group in groupby(sorted(trials, key=kind), key=kind):
        alike = list(group)
        count = _count(len(alike), size, even=alike[0].budget.numerics.compile)
        optimizers = len({settings(trial) for trial in alike})
        abreast = min(count, max(workers, ceil(SLICE * optimizers / size)))
        bounds = _even(len(alike), count)
        for first in range(0, count, abreast):
            last = min(first + abreast, count)
            together = sorted(alike[bounds[first] : bounds[last]], key=_place(alike))
            inner = [bound - bounds[first] for bound in bounds[first : last + 1]]
            packs.extend(Pack(tuple(together[a:b])) for a, b in pairwise(inner))
    return packs


def kind(trial: TrialSpec) -> tuple[int, str, int, Budget]:
    """Return what trials of one pack have in common; sorts by seed first."""
    return (trial.seed, trial.task, trial.task_version, trial.budget)


def settings(trial: TrialSpec) -> tuple[str, str]:
    """Return a trial's optimizer with its hyperparameters, comparable."""
    return trial.optimizer, json.dumps(dict(trial.hyperparameters), sort_keys=True)


def _count(trials: int, size: int, *, even: bool) -> int:
    """Return the number of packs: the least, or of half as many more one that divides evenly.

    Packs of one size share what was compiled for the first of them.
    """
    least = ceil(trials / size)
    if not even:
        return least
    return next((n for n in range(least, least * 3 // 2 + 1) if trials % n == 0), least)


def _even(count: int, parts: int) -> list[int]:
    """Return the bounds of nearly equal parts of ``range(count)``."""
    return [round(i * count / parts) for i in range(parts + 1)]


def _place(trials: Sequence[TrialSpec]) -> Callable[[TrialSpec], int]:
    """Return a sort key that brings each optimizer's trials together, in order of appearance."""
    places: dict[tuple[str, str], int] = {}
    for trial in trials:
        places.setdefault(settings(trial), len(places))
    return lambda trial: places[settings(trial)]
