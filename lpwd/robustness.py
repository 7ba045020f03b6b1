"""How much a result depends on having guessed the weight decay right: metrics of robustness.

All take scores of shape (L, W, S): L learning rates, W weight decays, both ascending, S seeds; NaN
where there is no score yet. A diverged run must be given the chance level before it comes here: it
is a result, and never dropped. The direction is stated by `maximize`, never guessed.

The seed is the unit of replication. Intervals resample seeds, the same ones in every cell, since
runs are paired: one seed fixes initial weights, split and batches for all of them.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lpwd import student

Array = npt.NDArray[np.float64]

RESAMPLES = 1000
"""The standard error that they give is itself sure to about two per cent."""
LEVEL = 0.95
MEANS_AT_ONCE = 2**18
"""Resampled means of cells held in memory at once: 2 MB."""


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Tolerance:
    """The weight decays around the best that cost less than the tolerance."""

    low: float
    high: float
    """The interval's ends, interpolated linearly in log λ."""
    open_low: bool
    """Whether the grid ends before the interval does, at the weak end."""
    open_high: bool
    """Likewise at the strong end."""

    @property
    def decades(self) -> float:
        """Width: log₁₀ of the ratio of the ends. A lower bound where an end is open."""
        return float(np.log10(self.high / self.low))

    @property
    def is_bound(self) -> bool:
        """Whether the true interval may be wider than this."""
        return self.open_low or self.open_high


def seed_mean(scores: Array) -> Array:
    """Mean over the seeds that are there: (L, W, S) to (L, W), NaN where there are none."""
    counted = np.isfinite(scores)
    count = counted.sum(axis=-1)
    total = np.where(counted, scores, 0.0).sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def best_cell(means: Array, *, maximize: bool = True) -> tuple[int, int] | None:
    """Return where (L, W) means are best; the first of equals, None when all are missing.

    Choose on validation means, and report test means there: choosing and reporting on the same
    scores is biased upward.
    """
    if np.isnan(means).all():
        return None
    flat = np.nanargmax(_up(means, maximize))
    row, column = np.unravel_index(flat, means.shape)
    return int(row), int(column)


def best_interval(
    chosen_on: Array, reported: Array, *, maximize: bool = True, seed: int = 0
) -> Interval | None:
    """Interval of the best score, with the choice of the cell inside the resampling.

    A maximum over noisy cells is biased; each resample of the seeds chooses its own best cell on
    `chosen_on` and reports its mean in `reported`. The interval is Student's t around the estimate,
    with the spread of the resamples for standard error, freed of the bootstrap's bias by n/(n - 1).
    Where every resample chooses the same cell it is the usual interval of a mean; percentiles of so
    few seeds would be far too narrow.

    Args:
        chosen_on: (L, W, S) scores to choose by, usually validation.
        reported: (L, W, S) scores to report, usually test.
        maximize: The direction.
        seed: Of the resampling.

    Returns:
        The interval, None with fewer than two seeds.
    """
    best = best_cell(seed_mean(chosen_on), maximize=maximize)
    seeds = chosen_on.shape[-1]
    if seeds < 2 or best is None:
        return None
    draws = resamples(seeds, seed)
    values = np.concatenate(
        [
            _of_chosen(_weighted_means(chosen_on, some), reported, some, maximize)
            for some in _portions(draws.weights, chosen_on)
        ]
    )
    return around(float(seed_mean(reported)[best]), values, draws)


def _of_chosen(choice: Array, reported: Array, weights: Array, maximize: bool) -> Array:
    """Weighted means of what is reported, (L, W, S), where each of (R, cells) choices is best."""
    ups = _up(choice, maximize)
    if np.isnan(ups).any():
        ups = np.where(np.isnan(ups), -np.inf, ups)
    chosen = reported.reshape(-1, reported.shape[-1])[ups.argmax(axis=1)]
    counted = np.where(np.isfinite(chosen), weights, 0.0)
    total = (np.nan_to_num(chosen) * counted).sum(axis=-1)
    count = counted.sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def tolerance(
    means: Array, weight_decays: Array, best: int, *, epsilon: float, maximize: bool = True
) -> Tolerance | None:
    """Find the contiguous weight decays around the best whose score is within ε of it.

    Args:
        means: (W,) seed means at the best learning rate.
        weight_decays: (W,), ascending. 0 has no place on a log axis: where it is the best, the
            interval is looked for from the smallest positive weight decay on.
        best: Position of the best in both.
        epsilon: Tolerance in the score's own unit, positive.
        maximize: The direction.

    Returns:
        The interval; None when the smallest positive weight decay is already outside, or there
        is none.
    """
    positive = np.flatnonzero(weight_decays > 0)
    if len(positive) == 0 or np.isnan(means[best]):
        return None
    up = _up(means, maximize)
    threshold = up[best] - epsilon
    start = max(best, int(positive[0]))
    if not up[start] >= threshold:
        return None
    low = high = start
    while low > positive[0] and up[low - 1] >= threshold:
        low -= 1
    while high + 1 < len(means) and up[high + 1] >= threshold:
        high += 1
    return Tolerance(
        low=_crossing(up, weight_decays, low, low - 1, threshold, first=int(positive[0])),
        high=_crossing(up, weight_decays, high, high + 1, threshold, first=int(positive[0])),
        open_low=bool(low == positive[0]),
        open_high=bool(high == len(means) - 1),
    )


def _crossing(
    up: Array, weight_decays: Array, inside: int, outside: int, threshold: float, *, first: int
) -> float:
    """Weight decay at which the score crosses the threshold between two neighbours."""
    if not first <= outside < len(up) or np.isnan(up[outside]):
        return float(weight_decays[inside])
    share = (up[inside] - threshold) / (up[inside] - up[outside])
    ends = np.log(weight_decays[[inside, outside]])
    return float(np.exp(ends[0] + share * (ends[1] - ends[0])))


def tolerance_area(
    means: Array, reference: float, *, epsilon: float, maximize: bool = True
) -> float:
    """Share of all (L, W) cells within ε of the reference score, in [0, 1].

    Cells without a score count as outside.
    """
    sign = 1.0 if maximize else -1.0
    with np.errstate(invalid="ignore"):
        return float((_up(means, maximize) >= sign * reference - epsilon).mean())


def tolerance_area_interval(
    scores: Array, *, epsilon: float, maximize: bool = True, seed: int = 0
) -> Interval | None:
    """Interval of `tolerance_area` around the best mean, which each resample finds anew.

    Args:
        scores: (L, W, S).
        epsilon: Tolerance in the score's own unit, positive.
        maximize: The direction.
        seed: Of the resampling.

    Returns:
        As of `best_interval`, within [0, 1].
    """
    means = seed_mean(scores)
    best = best_cell(means, maximize=maximize)
    seeds = scores.shape[-1]
    if seeds < 2 or best is None:
        return None
    draws = resamples(seeds, seed)
    values = np.concatenate(
        [
            _areas(_up(_weighted_means(scores, some), maximize), epsilon)
            for some in _portions(draws.weights, scores)
        ]
    )
    area = tolerance_area(means, float(means[best]), epsilon=epsilon, maximize=maximize)
    found = around(area, values, draws)
    return Interval(max(found.low, 0.0), min(found.high, 1.0))


def _areas(ups: Array, epsilon: float) -> Array:
    """Share of the cells within ε of the best one of each resample: (R, cells) to (R,)."""
    tops = np.where(np.isnan(ups), -np.inf, ups).max(axis=1)
    with np.errstate(invalid="ignore"):
        areas = (ups >= tops[:, None] - epsilon).mean(axis=1)
    return np.where(np.isfinite(tops), areas, np.nan)


def log_decay_auc(means: Array, weight_decays: Array, *, maximize: bool = True) -> float | None:
    """Mean over ln λ of the best score any learning rate reaches there (trapezoid rule).

    Args:
        means: (L, W) seed means.
        weight_decays: (W,), ascending; 0 is left out.
        maximize: The direction.

    Returns:
        In the score's unit; None with fewer than two positive weight decays, or a hole.
    """
    positive = weight_decays > 0
    if positive.sum() < 2 or np.isnan(means[:, positive]).any():
        return None
    along = means[:, positive].max(axis=0) if maximize else means[:, positive].min(axis=0)
    axis = np.log(weight_decays[positive])
    return float(np.trapezoid(along, axis) / (axis[-1] - axis[0]))


def worst_case(means: Array, *, maximize: bool = True) -> float | None:
    """Worst of (W,) seed means at the best learning rate; None when there are none."""
    if np.isnan(means).all():
        return None
    return float(np.nanmin(means) if maximize else np.nanmax(means))


def best_of_k(means: Array, k: int, *, maximize: bool = True) -> float:
    """Expected best of k cells drawn at random, with replacement.

    Dodge et al. 2019, "Show Your Work": Σ v (F̂(v)ᵏ - F̂(v⁻)ᵏ) over the values v of the cells.

    Raises:
        ValueError: k < 1, or a cell has no score.
    """
    if k < 1:
        raise ValueError(f"k = {k}: at least one cell must be drawn")
    if np.isnan(means).any():
        raise ValueError("best_of_k needs a score in every cell")
    values = np.sort(_up(means, maximize), axis=None)
    ecdf = np.arange(len(values) + 1) / len(values)
    expected = float((values * np.diff(ecdf**k)).sum())
    return expected if maximize else -expected


def _up(scores: Array, maximize: bool) -> Array:
    """Turn scores so that higher is better."""
    return scores if maximize else -scores


@dataclass(frozen=True)
class Draws:
    """Resamples of the seeds, equal ones once: of few seeds there are not many."""

    weights: Array
    """How often each seed is drawn, (R, S) with R at most `RESAMPLES`."""
    times: npt.NDArray[np.int64]
    """How often each of these came up, (R,)."""


@lru_cache(maxsize=1)
def resamples(seeds: int, seed: int) -> Draws:
    """Draw seeds with replacement, `RESAMPLES` times; the same for the same `seed`."""
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES)
    weights, times = np.unique(drawn, axis=0, return_counts=True)
    return Draws(weights.astype(float), times)


def _portions(weights: Array, scores: Array) -> list[Array]:
    """Part resamples so that the means of one part, (R, cells), take a few megabytes at most."""
    cells = int(np.prod(scores.shape[:-1]))
    step = max(1, MEANS_AT_ONCE // max(cells, 1))
    return [weights[start : start + step] for start in range(0, len(weights), step)]


def _weighted_means(scores: Array, weights: Array) -> Array:
    """Means over resampled seeds: (L, W, S) and (R, S) to (R, L·W), NaN where none was drawn."""
    cells = scores.reshape(-1, scores.shape[-1])
    counted = np.isfinite(cells)
    if counted.all():
        return np.asarray(weights @ cells.T / scores.shape[-1])
    total = weights @ np.where(counted, cells, 0.0).T
    count = weights @ counted.T.astype(float)
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def around(estimate: float, resampled: Array, draws: Draws) -> Interval:
    """Make a Student's t interval whose standard error is the spread of resampled values.

    Args:
        estimate: Of all seeds.
        resampled: (R,), one of each draw.
        draws: As `resamples` makes them.
    """
    there = np.isfinite(resampled)
    values, times = resampled[there], draws.times[there]
    middle = np.average(values, weights=times)
    spread = np.sqrt(np.average((values - middle) ** 2, weights=times))
    seeds = draws.weights.shape[-1]
    error = spread * np.sqrt(seeds / (seeds - 1))
    half = float(student.quantile(seeds - 1, (1 + LEVEL) / 2) * error)
    return Interval(estimate - half, estimate + half)
