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
        return robustness.best_cell(robustness.seed_mean(self.validation), maximize=maximize)


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
        robustness=tuple(_row(spec, one, grids[one.optimizer], metric, tolerance) for one in maps),
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
    means = grid.means
    near = np.zeros(means.shape, dtype=bool)
    if best is not None:
        sign = 1 if metric.maximize else -1
        near = np.nan_to_num(sign * (means - means[best]), nan=-np.inf) >= -tolerance
    cells = {}
    for i, learning_rate in enumerate(spec.learning_rates):
        for j, weight_decay in enumerate(spec.weight_decays):
            cell = _cell(learning_rate, weight_decay, grid.reported[i, j], grid.states[i, j])
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
) -> Cell:
    known = scores[np.isfinite(scores)]
    low, high = _interval(known)
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


def _interval(scores: robustness.Array) -> tuple[float | None, float | None]:
    """95 % interval of the mean: Student's t over seeds."""
    n = len(scores)
    if n < 2:
        return None, None
    half = float(stdtrit(n - 1, 0.975) * scores.std(ddof=1) / sqrt(n))
    return float(scores.mean()) - half, float(scores.mean()) + half


def _domain(maps: Sequence[Heatmap], metric: MetricView) -> tuple[float, float] | None:
    """Colours of a study: from its best mean ten points down (up, where less is better)."""
    means = [cell.mean for one in maps for cell in one.cells.values() if cell.mean is not None]
    if not means:
        return None
    best = max(means) if metric.maximize else min(means)
    span = 1.0 if metric.percent else abs(metric.chance - best)
    height = POINTS * span or 1.0
    return (best - height, best) if metric.maximize else (best, best + height)


def _row(
    spec: StudySpec, one: Heatmap, grid: _Grid, metric: MetricView, epsilon: float
) -> RobustnessRow:
    best = grid.best(metric.maximize)
    cells = one.cells.values()
    row = RobustnessRow(
        optimizer=one.optimizer,
        title=one.title,
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
    decays = np.array(spec.weight_decays)
    means = grid.means
    learning_rate, weight_decay = spec.learning_rates[best[0]], spec.weight_decays[best[1]]
    row = replace(
        row, best=float(means[best]), learning_rate=learning_rate, weight_decay=weight_decay
    )
    if one.cells[learning_rate, weight_decay].state is CellState.DIVERGED:
        # Even the best diverged. Every cell is within any tolerance of that: no robustness at all.
        return row
    interval = robustness.best_interval(grid.validation, grid.reported, maximize=up)
    safe = robustness.tolerance(means[best[0]], decays, best[1], epsilon=epsilon, maximize=up)
    area = robustness.tolerance_area_interval(
        grid.validation, grid.reported, epsilon=epsilon, maximize=up
    )
    return replace(
        row,
        best_low=interval.low if interval else None,
        best_high=interval.high if interval else None,
        on_edge=_edges(spec, best),
        width=safe.decades if safe else 0.0,
        width_is_bound=safe.is_bound if safe else False,
        safe_decays=(safe.low, safe.high) if safe else None,
        area=robustness.tolerance_area(means, float(means[best]), epsilon=epsilon, maximize=up),
        area_low=area.low if area else None,
        area_high=area.high if area else None,
        log_decay_auc=robustness.log_decay_auc(means, decays, maximize=up),
        worst=robustness.worst_case(means[best[0]], maximize=up),
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
    bands = [_interval(scores[:, epoch]) for epoch in range(epochs)]
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
