"""Which trials train together: pure planning."""

from collections.abc import Iterable
from itertools import groupby, pairwise
from math import ceil

from workers.contracts import Budget, Pack, TrialSpec

PACK_SIZE = 48
"""Trials a pack holds at most. Small models are fastest per trial while weights, gradients and
optimizer state of a pack stay in a core's cache; `benchmarks/pack_size.py` measures it."""


def plan_packs(trials: Iterable[TrialSpec], *, size: int = PACK_SIZE) -> list[Pack]:
    """Divide trials into packs.

    Packs hold one task and budget, and one seed: its data is then shared by all of the pack, and
    the first seed's whole map is there before the second is begun. Within a seed, trials keep
    their order.

    Args:
        trials: In the order in which the map should fill.
        size: Most trials in one pack, at least 1.

    Returns:
        Packs in the order to run them, of nearly equal size within a seed.
    """
    if size < 1:
        raise ValueError(f"a pack holds at least one trial, not {size}")
    packs: list[Pack] = []
    for _, group in groupby(sorted(trials, key=_kind), key=_kind):
        alike = tuple(group)
        count = ceil(len(alike) / size)
        bounds = [round(i * len(alike) / count) for i in range(count + 1)]
        packs.extend(Pack(alike[start:stop]) for start, stop in pairwise(bounds))
    return packs


def _kind(trial: TrialSpec) -> tuple[int, str, int, Budget]:
    return (trial.seed, trial.task, trial.task_version, trial.budget)
