"""From trials to maps, table and curves: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit  # scipy.stats takes three times as long to import

import lpwd.catalogue as optimizers
from lpwd import robustness
from service.heatmaps.model import (
    Cell,
    CellState,
    Heatmap,
    LearningCurve,
    MetricView,
    RobustnessRow,
    StudyResults,
)
from service.studies.planning import StudySpec, Variant
from service.trials.model import TrialState
from workers import tasks
from workers.contracts import CURVES

POINTS = 0.10
"""Height of the colour domain: ten points of a metric in per cent, else a tenth of the way from the
best down to chance."""


RELIEF = 5
"""How many tolerances a map must rise above chance, for its tolerance to mean anything."""


@dataclass(frozen=True)
class TrialView:
    """What aggregation needs to know of a trial."""

    label: str
    learning_rate: float
    weight_decay: float
    seed: int
    state: TrialState
    validation_score: float | None
    test_score: float | None


@dataclass(frozen=True)
class _Grid:
    """One optimizer's trials on the grid: (L, W, S) arrays."""

    validation: robustness.Array
    reported: robustness.Array
    """The split that is shown."""
    states: npt.NDArray[np.object_]

    @property
    def means(self) -> robustness.Array:
        return robustness.seed_mean(self.reported)

    def best(self, maximize: bool) -> tuple[int, int] | None:
        """Choose a cell on validation; none while there is nothing but divergence."""
        found = robustness.best_cell(robustness.seed_mean(self.validation), maximize=maximize)
        if found is None or set(self.states[found]) == {TrialState.DIVERGED}:
            return None
        return found

    def peak(self, metric: MetricView, tolerance: float) -> tuple[int, int] | None:
        """Find the best mean that is shown, from which tolerance is measured.

        Not the chosen cell's: a poor choice would lower the bar, and pass for robustness. None
        where the map hardly rises above chance: flat ground is no plateau.
        """
        means = self.means
        found = robustness.best_cell(means, maximize=metric.maximize)
        if found is None:
            return None
        height = (means[found] - metric.chance) * (1 if metric.maximize else -1)
        return found if height >= RELIEF * tolerance else None


def metric_view(task_name: str, split: str) -> MetricView:
    """Describe the metric of a task on one split."""
    metric = tasks.get(task_name).metric
    return MetricView(metric.name, split, metric.maximize, metric.chance, metric.percent)


def aggregate(
    spec: StudySpec,
    trials: Sequence[TrialView],
    *,
    split: str,
    tolerance: float,
    curves: Mapping[str, Sequence[npt.NDArray[np.float32]]],
) -> StudyResults:
    """Aggregate a study.

    Args:
        spec: What it asks for.
        trials: All its trials, in any order and state.
        split: ``test`` or ``validation``: what the maps show. The best cell is chosen on
            validation in either case.
        tolerance: ε, in the metric's own unit.
        curves: Label to the curves of the best cell's trials, as `best_cells` names them.

    Returns:
        Maps, robustness table and learning curves.
    """
    metric = metric_view(spec.task, split)
    grids = _grids(spec, trials, metric)
    maps = tuple(
        _heatmap(spec, variant, grids[variant.label], metric, tolerance)
        for variant in spec.variants
    )
    return StudyResults(
        metric=metric,
        tolerance=tolerance,
        domain=_domain(maps, metric),
        heatmaps=maps,
        robustness=tuple(
            _row(spec, variant.name, one, grids[one.optimizer], metric, tolerance)
            for variant, one in zip(spec.variants, maps, strict=True)
        ),
        curves=tuple(
            _curve(one, curves[one.optimizer], metric) for one in maps if curves.get(one.optimizer)
        ),
        seeds=len(spec.seeds),
    )


def best_cells(spec: StudySpec, trials: Sequence[TrialView]) -> dict[str, tuple[float, float]]:
    """Return the (learning rate, weight decay) of each optimizer's best cell, by label."""
    metric = metric_view(spec.task, "validation")
    found = {}
    for label, grid in _grids(spec, trials, metric).items():
        best = grid.best(metric.maximize)
        if best is not None:
            found[label] = (spec.learning_rates[best[0]], spec.weight_decays[best[1]])
    return found


def _grids(spec: StudySpec, trials: Sequence[TrialView], metric: MetricView) -> dict[str, _Grid]:
    shape = (len(spec.learning_rates), len(spec.weight_decays), len(spec.seeds))
    grids = {
        variant.label: _Grid(
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.full(shape, TrialState.PENDING, object),
        )
        for variant in spec.variants
    }
    places = [
        {value: index for index, value in enumerate(axis)}
        for axis in (spec.learning_rates, spec.weight_decays, spec.seeds)
    ]
    for trial in trials:
        grid = grids[trial.label]
        at = places[0][trial.learning_rate], places[1][trial.weight_decay], places[2][trial.seed]
        grid.states[at] = trial.state
        grid.validation[at] = _score(trial, trial.validation_score, metric)
        grid.reported[at] = _score(
            trial, trial.test_score if metric.split == "test" else trial.validation_score, metric
        )
    return grids


def _score(trial: TrialView, score: float | None, metric: MetricView) -> float:
    """Return a trial's score: chance when it diverged, NaN while it has none."""
    if trial.state is TrialState.DIVERGED:
        return metric.chance
    return np.nan if score is None else score


def _heatmap(
    spec: StudySpec, variant: Variant, grid: _Grid, metric: MetricView, tolerance: float
) -> Heatmap:
    best = grid.best(metric.maximize)
    peak = grid.peak(metric, tolerance)
    means = grid.means
    near = np.zeros(means.shape, dtype=bool)
    if peak is not None:
        sign = 1 if metric.maximize else -1
        near = np.nan_to_num(sign * (means - means[peak]), nan=-np.inf) >= -tolerance
    cells = {}
    for i, learning_rate in enumerate(spec.learning_rates):
        for j, weight_decay in enumerate(spec.weight_decays):
            cell = _cell(
                learning_rate, weight_decay, grid.reported[i, j], grid.states[i, j], metric
            )
            cells[learning_rate, weight_decay] = replace(
                cell, best=(i, j) == best, within_tolerance=bool(near[i, j])
            )
    return Heatmap(variant.label, _title(variant), spec.learning_rates, spec.weight_decays, cells)


def _title(variant: Variant) -> str:
    title = optimizers.get(variant.name).title
    return title if variant.label == variant.name else f"{title} ({variant.label})"


def _cell(
    learning_rate: float,
    weight_decay: float,
    scores: robustness.Array,
    states: Sequence[TrialState],
    metric: MetricView,
) -> Cell:
    known = scores[np.isfinite(scores)]
    low, high = _interval(known, metric)
    return Cell(
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        state=_cell_state(states),
        seeds=len(states),
        scores=tuple(map(float, known)),
        diverged=sum(state is TrialState.DIVERGED for state in states),
        failed=sum(state is TrialState.FAILED for state in states),
        mean=float(known.mean()) if len(known) else None,
        low=low,
        high=high,
    )


def _cell_state(states: Sequence[TrialState]) -> CellState:
    found = set(states)
    if TrialState.FAILED in found:
        return CellState.FAILED
    if TrialState.RUNNING in found:
        return CellState.RUNNING
    if found == {TrialState.DIVERGED}:
        return CellState.DIVERGED
    if TrialState.PENDING in found:
        return CellState.PENDING
    return CellState.DONE


def _interval(scores: robustness.Array, metric: MetricView) -> tuple[float | None, float | None]:
    """95 % interval of the mean: Student's t over seeds, within what the metric can be."""
    n = len(scores)
    if n < 2:
        return None, None
    half = float(stdtrit(n - 1, 0.975) * scores.std(ddof=1) / sqrt(n))
    return _possible(float(scores.mean()) - half, float(scores.mean()) + half, metric)


def _domain(maps: Sequence[Heatmap], metric: MetricView) -> tuple[float, float] | None:
    """Colours of a study, from its best mean."""
    means = [cell.mean for one in maps for cell in one.cells.values() if cell.mean is not None]
    return colour_domain(means, metric)


def colour_domain(means: Sequence[float], metric: MetricView) -> tuple[float, float] | None:
    """Return the ends of a scale of colours: ten points down from the best (up, if less is better).

    None where there is no score.
    """
    if not means:
        return None
    best = max(means) if metric.maximize else min(means)
    span = 1.0 if metric.percent else abs(metric.chance - best)
    height = POINTS * span or 1.0
    low, high = (best - height, best) if metric.maximize else (best, best + height)
    return _possible(low, high, metric)


def _possible(low: float, high: float, metric: MetricView) -> tuple[float, float]:
    """Keep an interval within what the metric can be: a share is in [0, 1]."""
    return (max(low, 0.0), min(high, 1.0)) if metric.percent else (low, high)


def _row(
    spec: StudySpec, entry: str, one: Heatmap, grid: _Grid, metric: MetricView, epsilon: float
) -> RobustnessRow:
    best = grid.best(metric.maximize)
    cells = one.cells.values()
    row = RobustnessRow(
        optimizer=one.optimizer,
        title=one.title,
        entry=entry,
        best=None,
        best_low=None,
        best_high=None,
        learning_rate=None,
        weight_decay=None,
        on_edge=(),
        width=None,
        width_is_bound=False,
        safe_decays=None,
        area=None,
        area_low=None,
        area_high=None,
        log_decay_auc=None,
        worst=None,
        diverged=sum(cell.diverged for cell in cells),
        cells_done=sum(cell.state in {CellState.DONE, CellState.DIVERGED} for cell in cells),
        cells=len(cells),
    )
    if best is None:
        return row
    up = metric.maximize
    means = grid.means
    interval = robustness.best_interval(grid.validation, grid.reported, maximize=up)
    low, high = _possible(interval.low, interval.high, metric) if interval else (None, None)
    row = replace(
        row,
        best=float(means[best]),
        best_low=low,
        best_high=high,
        learning_rate=spec.learning_rates[best[0]],
        weight_decay=spec.weight_decays[best[1]],
        on_edge=_edges(spec, best),
        log_decay_auc=robustness.log_decay_auc(means, np.array(spec.weight_decays), maximize=up),
        worst=robustness.worst_case(means[best[0]], maximize=up),
    )
    peak = grid.peak(metric, epsilon)
    return row if peak is None else _tolerance(spec, row, grid, peak, epsilon, up)


def _tolerance(
    spec: StudySpec,
    row: RobustnessRow,
    grid: _Grid,
    peak: tuple[int, int],
    epsilon: float,
    maximize: bool,
) -> RobustnessRow:
    """Fill in width and area of what is within ε of the peak."""
    means, decays = grid.means, np.array(spec.weight_decays)
    safe = robustness.tolerance(means[peak[0]], decays, peak[1], epsilon=epsilon, maximize=maximize)
    width = safe.decades if safe else 0.0
    area = robustness.tolerance_area_interval(grid.reported, epsilon=epsilon, maximize=maximize)
    return replace(
        row,
        width=width if (decays > 0).any() else None,
        width_is_bound=safe.is_bound if safe else False,
        safe_decays=(safe.low, safe.high) if safe else None,
        area=robustness.tolerance_area(
            means, float(means[peak]), epsilon=epsilon, maximize=maximize
        ),
        area_low=area.low if area else None,
        area_high=area.high if area else None,
    )


def _edges(spec: StudySpec, best: tuple[int, int]) -> tuple[str, ...]:
    """Name the axes at whose end the best cell lies. 0 is no edge: there is nothing below it."""
    edges = []
    if len(spec.learning_rates) > 1 and best[0] in {0, len(spec.learning_rates) - 1}:
        edges.append("learning_rate")
    last = len(spec.weight_decays) - 1
    if last > 0 and (best[1] == last or (best[1] == 0 and spec.weight_decays[0] > 0)):
        edges.append("weight_decay")
    return tuple(edges)


def _curve(
    one: Heatmap, curves: Sequence[npt.NDArray[np.float32]], metric: MetricView
) -> LearningCurve:
    column = CURVES.index(f"{metric.split}_score")
    epochs = min(len(curve) for curve in curves)
    scores = np.stack([curve[:epochs, column] for curve in curves]).astype(float)
    bands = [_interval(scores[:, epoch], metric) for epoch in range(epochs)]
    lows = tuple(low for low, _ in bands if low is not None)
    highs = tuple(high for _, high in bands if high is not None)
    return LearningCurve(
        optimizer=one.optimizer,
        title=one.title,
        epochs=tuple(range(1, epochs + 1)),
        mean=tuple(map(float, scores.mean(axis=0))),
        low=lows or None,
        high=highs or None,
        seeds=len(curves),
    )
