"""One optimizer against another on the same seeds: differences, intervals, tests.

The seed is the unit of replication, and runs are paired: one seed fixes initial weights, split and
batches for every optimizer. Scores are (L, W, S): L learning rates, W weight decays, S seeds; NaN
where there is none yet. Differences are "one less the other", in the score's own unit.

Tests exchange the two optimizers seed by seed (a sign-flip permutation test, two-sided). With n
seeds p cannot go below 2/2ⁿ, so fewer than `ENOUGH_SEEDS` can show nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from lpwd import robustness, student
from lpwd.robustness import Array, Interval

ENOUGH_SEEDS = 6
"""Below it no p is small enough, however different two optimizers are."""
ALPHA = 0.05
EXACT_SEEDS = 12
"""Up to so many seeds every exchange is tried; of more, `EXCHANGES` drawn at random."""
EXCHANGES = 4000
TIED = 1e-12
"""Differences this close to the observed one count as equal to it: rounding breaks no ties."""
AT_ONCE = 2**18
"""Exchanged means held in memory at once."""

Measure = Callable[[Array], Array]
"""(R, L, W) means to (R,) values of a measure, such as a tolerance width."""


@dataclass(frozen=True)
class Cells:
    """Differences of every cell, (L, W) arrays."""

    mean: Array
    """NaN where there is no shared seed."""
    low: Array
    """95 % interval (Student's t over seeds); NaN below two shared seeds."""
    high: Array
    seeds: npt.NDArray[np.int64]
    """Shared seeds."""
    p: Array
    """Of no difference; 1 where there is no shared seed."""


@dataclass(frozen=True)
class Difference:
    """Difference of a measure of two whole maps."""

    value: float
    interval: Interval | None
    """95 %: Student's t with the spread of the resamples for standard error; None below two
    seeds."""
    p: float


def cells(one: Array, other: Array) -> Cells:
    """Compare two maps cell by cell, over the seeds that both have there."""
    both = one - other
    known = np.isfinite(both)
    count = known.sum(axis=-1)
    mean = robustness.seed_mean(both)
    off = np.where(known, both - mean[..., None], 0.0)
    several = np.maximum(count, 2)
    deviation = np.sqrt((off**2).sum(axis=-1) / (several - 1))
    half = student.quantile(several - 1, (1 + robustness.LEVEL) / 2) * deviation / np.sqrt(several)
    half = np.where(count < 2, np.nan, half)
    p = _flip_test(np.where(known, both, 0.0).reshape(-1, both.shape[-1])).reshape(mean.shape)
    return Cells(mean, mean - half, mean + half, count, p)


def compare(one: Array, other: Array, measure: Measure) -> Difference:
    """Compare a measure of two complete maps.

    The interval resamples seeds, the same ones for both; the test exchanges the two maps' scores
    of whole seeds.

    Args:
        one: (L, W, S), without holes.
        other: (L, W, S), the same seeds in the same order.
        measure: Of seed means.

    Raises:
        ValueError: A score is missing, or the shapes differ.
    """
    if one.shape != other.shape or not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ValueError("both maps must be complete, over the same rates and seeds")
    seeds = one.shape[-1]
    pooled = np.concatenate([one, other], axis=-1)
    (value,) = _differences(pooled, _sides(np.ones((1, seeds)), np.zeros((1, seeds))), measure)
    interval = None
    if seeds >= 2:
        draws = robustness.resamples(seeds, 0)
        nothing = np.zeros_like(draws.weights)
        resampled = _differences(pooled, _sides(draws.weights, nothing), measure)
        interval = robustness.around(float(value), resampled, draws)
    kept = (exchanges(seeds) + 1) / 2
    exchanged = _differences(pooled, _sides(kept, 1 - kept), measure)
    return Difference(float(value), interval, _share(np.abs(exchanged), abs(float(value))))


def holm(p: Array) -> Array:
    """Adjust p values for how many comparisons they are of (Holm 1979), keeping their shape."""
    flat = p.ravel()
    order = np.argsort(flat, kind="stable")
    factors = len(flat) - np.arange(len(flat))
    adjusted = np.minimum(np.maximum.accumulate(flat[order] * factors), 1.0)
    found = np.empty_like(adjusted)
    found[order] = adjusted
    return found.reshape(p.shape)


def significant(low: Array, high: Array, seeds: npt.NDArray[np.int64], adjusted: Array) -> Array:
    """Tell which differences may be claimed.

    There must be seeds enough, the interval must exclude 0, and p after `holm` be below 5 %.
    """
    excludes = (low > 0) | (high < 0)
    return np.asarray((seeds >= ENOUGH_SEEDS) & excludes & (adjusted < ALPHA))


def exchanges(seeds: int) -> Array:
    """Ways to exchange two optimizers, (F, S): 1 where a seed's scores stay, -1 where they go over.

    Up to `EXACT_SEEDS` seeds all of them, else the one that changes nothing and `EXCHANGES` others.
    """
    if seeds <= EXACT_SEEDS:
        return np.array(list(product((1.0, -1.0), repeat=seeds)))
    drawn = np.random.default_rng(0).choice([1.0, -1.0], size=(EXCHANGES, seeds))
    return np.concatenate([np.ones((1, seeds)), drawn])


def _flip_test(differences: Array) -> Array:
    """Two-sided p of every row of (C, S) differences; a missing one is 0, and makes no odds."""
    signs = exchanges(differences.shape[-1])
    found = np.empty(len(differences))
    step = max(1, AT_ONCE // len(signs))
    for start in range(0, len(differences), step):
        some = differences[start : start + step]
        observed = np.abs(some.sum(axis=-1))
        found[start : start + step] = (np.abs(signs @ some.T) >= observed * (1 - TIED) - TIED).mean(
            axis=0
        )
    return found


def _share(exchanged: Array, observed: float) -> float:
    """How often an exchange makes as much of a difference as was observed."""
    return float((exchanged >= observed * (1 - TIED) - TIED).mean())


def _sides(kept: Array, taken: Array) -> tuple[Array, Array]:
    """Weights of the pooled seeds, (R, 2S), that make up either side."""
    return np.concatenate([kept, taken], axis=-1), np.concatenate([taken, kept], axis=-1)


def _differences(pooled: Array, sides: tuple[Array, Array], measure: Measure) -> Array:
    """Measure both sides for every row of weights: (L, W, 2S) and two (R, 2S) to (R,)."""
    step = max(1, AT_ONCE // int(np.prod(pooled.shape[:-1])))
    found = []
    for start in range(0, len(sides[0]), step):
        one, other = (measure(_means(pooled, weights[start : start + step])) for weights in sides)
        found.append(one - other)
    return np.concatenate(found)


def _means(pooled: Array, weights: Array) -> Array:
    total = weights @ pooled.reshape(-1, pooled.shape[-1]).T / weights.sum(axis=-1, keepdims=True)
    return np.asarray(total.reshape(-1, *pooled.shape[:-1]))


def chosen(maximize: bool) -> Measure:
    """Measure what is reported of the best cell, as of (2L, W) maps: the upper half of the rows
    is chosen on, the lower half reported."""

    def measured(means: Array) -> Array:
        half = means.shape[1] // 2
        ups = means[:, :half] if maximize else -means[:, :half]
        best = ups.reshape(len(means), -1).argmax(axis=1)
        return np.asarray(means[:, half:].reshape(len(means), -1)[np.arange(len(means)), best])

    return measured


def area(epsilon: float, maximize: bool) -> Measure:
    """Measure the share of the cells within ε of the best, in [0, 1]."""

    def measured(means: Array) -> Array:
        ups = means if maximize else -means
        tops = ups.max(axis=(1, 2), keepdims=True)
        return np.asarray((ups >= tops - epsilon).mean(axis=(1, 2)))

    return measured


def width(weight_decays: Array, epsilon: float, maximize: bool) -> Measure:
    """Measure the tolerance width in decades, as `robustness.tolerance` of the best cell does.

    Args:
        weight_decays: (W,), ascending, at least one positive.
        epsilon: Tolerance in the score's own unit, positive.
        maximize: The direction.
    """
    positive = weight_decays > 0
    skipped = int((~positive).sum())
    axis = np.log10(weight_decays[positive])

    def measured(means: Array) -> Array:
        ups = means if maximize else -means
        flat = ups.reshape(len(ups), -1).argmax(axis=1)
        rows, columns = np.unravel_index(flat, ups.shape[1:])
        every = np.arange(len(ups))
        tops = ups[every, rows, columns]
        along = ups[every, rows][:, positive]
        start = np.maximum(columns - skipped, 0)
        return _widths(along, tops - epsilon, start, axis)

    return measured


def _widths(along: Array, threshold: Array, start: npt.NDArray[np.intp], axis: Array) -> Array:
    """Widths around `start` of what reaches a threshold: (R, P), (R,), (R,) and (P,) to (R,)."""
    every, places = np.arange(len(along)), np.arange(len(axis))
    outside = ~(along >= threshold[:, None])
    below = np.where(outside & (places < start[:, None]), places, -1).max(axis=1)
    above = np.where(outside & (places > start[:, None]), places, len(axis)).min(axis=1)
    low = _crossings(along, threshold, below + 1, below, axis)
    high = _crossings(along, threshold, above - 1, above, axis)
    return np.where(outside[every, start], 0.0, high - low)


def _crossings(
    along: Array,
    threshold: Array,
    inside: npt.NDArray[np.intp],
    outside: npt.NDArray[np.intp],
    axis: Array,
) -> Array:
    """Where the threshold is crossed between two neighbours; at the grid's end, there."""
    every = np.arange(len(along))
    there = (outside >= 0) & (outside < len(axis))
    beyond = np.where(there, outside, inside)
    within = np.clip(inside, 0, len(axis) - 1)
    drop = along[every, within] - along[every, np.clip(beyond, 0, len(axis) - 1)]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(there, (along[every, within] - threshold) / drop, 0.0)
    share = np.nan_to_num(share)
    return np.asarray(
        axis[within] + share * (axis[np.clip(beyond, 0, len(axis) - 1)] - axis[within])
    )
