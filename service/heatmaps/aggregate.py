"""From trials to maps, table and curves: pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

import lpwd.catalogue as optimizers
from lpwd import robustness, student
from lpwd.errors import LpwdError
from service.errors import ConflictError
from service.heatmaps.layout import CODES, Layout
from service.heatmaps.model import (
    Cell,
    CellState,
    Heatmap,
    LearningCurve,
    MetricView,
    RobustnessRow,
    StudyResults,
)
from service.heatmaps.scale import colour_domain, possible
from service.studies.planning import StudySpec, Variant
from service.trials.model import TrialState
from workers import tasks
from workers.contracts import CURVES
from workers.errors import UnknownTaskError
from workers.search.contracts import SearchedOptimizer

RELIEF = 5
"""How many tolerances a map must rise above chance, for its tolerance to mean anything."""


@dataclass(frozen=True)
class Grid:
    """One optimizer's trials on the grid: (L, W, S) arrays."""

    validation: robustness.Array
    reported: robustness.Array
    """The split that is shown."""
    states: npt.NDArray[np.int8]
    """As `CODES` has them."""

    @property
    def means(self) -> robustness.Array:
        """Means over the seeds that are there, (L, W)."""
        return robustness.seed_mean(self.reported)

    def best(self, maximize: bool) -> tuple[int, int] | None:
        """Choose a cell on validation; none while there is nothing but divergence."""
        found = robustness.best_cell(robustness.seed_mean(self.validation), maximize=maximize)
        if found is None or (self.states[found] == CODES[TrialState.DIVERGED]).all():
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
    """Describe the metric of a task on one split.

    Raises:
        ConflictError: The task has left the catalogue since it was trained.
    """
    try:
        metric = tasks.get(task_name).metric
    except UnknownTaskError as error:
        raise ConflictError(
            f"the metric of task {task_name!r} is not known here any more; install what offers "
            "this task, and start the service again"
        ) from error
    return MetricView(metric.name, split, metric.maximize, metric.chance, metric.percent)


def aggregate(
    spec: StudySpec,
    layout: Layout,
    *,
    split: str,
    tolerance: float,
    curves: Mapping[str, Sequence[npt.NDArray[np.float32]]],
) -> StudyResults:
    """Aggregate a study.

    Args:
        spec: What it asks for.
        layout: All its trials, on the grid.
        split: ``test`` or ``validation``: what the maps show. The best cell is chosen on
            validation in either case.
        tolerance: ε, in the metric's own unit.
        curves: Label to the curves of the best cell's trials, as `best_cells` names them.

    Returns:
        Maps, robustness table and learning curves.

    Raises:
        ConflictError: The task has left the catalogue since.
    """
    metric = metric_view(spec.task, split)
    found = grids(spec, layout, metric)
    maps = tuple(
        _heatmap(spec, variant, found[variant.label], metric, tolerance)
        for variant in spec.variants
    )
    return StudyResults(
        metric=metric,
        tolerance=tolerance,
        domain=_domain(maps, metric),
        heatmaps=maps,
        robustness=tuple(
            _row(spec, variant.name, one, found[one.optimizer], metric, tolerance)
            for variant, one in zip(spec.variants, maps, strict=True)
        ),
        curves=tuple(
            _curve(one, curves[one.optimizer], metric) for one in maps if curves.get(one.optimizer)
        ),
        seeds=len(spec.seeds),
    )


def best_cells(spec: StudySpec, layout: Layout) -> dict[str, tuple[float, float]]:
    """Return the (learning rate, weight decay) of each optimizer's best cell, by label."""
    metric = metric_view(spec.task, "validation")
    found = {}
    for label, grid in grids(spec, layout, metric).items():
        best = grid.best(metric.maximize)
        if best is not None:
            found[label] = (spec.learning_rates[best[0]], spec.weight_decays[best[1]])
    return found


def grids(spec: StudySpec, layout: Layout, metric: MetricView) -> dict[str, Grid]:
    """Return each optimizer's part, by label.

    A diverged trial scores chance, whatever it reached before.
    """
    diverged = layout.states == CODES[TrialState.DIVERGED]
    validation = np.where(diverged, metric.chance, layout.validation)
    shown = layout.test if metric.split == "test" else layout.validation
    reported = np.where(diverged, metric.chance, shown)
    return {
        variant.label: Grid(validation[place], reported[place], layout.states[place])
        for place, variant in enumerate(spec.variants)
    }


def _heatmap(
    spec: StudySpec, variant: Variant, grid: Grid, metric: MetricView, tolerance: float
) -> Heatmap:
    peak = grid.peak(metric, tolerance)
    means = grid.means
    near = np.zeros(means.shape, dtype=bool)
    if peak is not None:
        sign = 1 if metric.maximize else -1
        near = np.nan_to_num(sign * (means - means[peak]), nan=-np.inf) >= -tolerance
    best = grid.best(metric.maximize)
    chosen = np.zeros(means.shape, dtype=bool)
    if best is not None:
        chosen[best] = True
    cells = {
        (cell.learning_rate, cell.weight_decay): cell
        for cell in _cells(spec, grid, chosen, near, metric)
    }
    return Heatmap(variant.label, title_of(variant), spec.learning_rates, spec.weight_decays, cells)


def _cells(
    spec: StudySpec,
    grid: Grid,
    chosen: npt.NDArray[np.bool_],
    near: npt.NDArray[np.bool_],
    metric: MetricView,
) -> Iterator[Cell]:
    """Make the cells of a map, row by row, from arrays that are computed at once."""
    low, high = _intervals(grid.reported, metric)
    columns = (
        _cell_states(grid.states),
        _finite(grid.reported),
        (grid.states == CODES[TrialState.DIVERGED]).sum(axis=-1).ravel().tolist(),
        (grid.states == CODES[TrialState.FAILED]).sum(axis=-1).ravel().tolist(),
        _or_none(grid.means),
        _or_none(low),
        _or_none(high),
        chosen.ravel().tolist(),
        near.ravel().tolist(),
    )
    places = product(spec.learning_rates, spec.weight_decays)
    for (learning_rate, weight_decay), state, scores, *rest in zip(places, *columns, strict=True):
        yield Cell(learning_rate, weight_decay, state, len(spec.seeds), scores, *rest)


def _finite(scores: robustness.Array) -> list[tuple[float, ...]]:
    """Return each cell's scores in seed order, without those that are missing."""
    rows = scores.reshape(-1, scores.shape[-1])
    known = np.isfinite(rows)
    if known.all():
        return list(map(tuple, rows.tolist()))
    return [tuple(row[there].tolist()) for row, there in zip(rows, known, strict=True)]


def _or_none(values: robustness.Array) -> list[float | None]:
    flat = values.ravel()
    found: list[float | None] = [*flat.tolist()]
    for place in np.flatnonzero(np.isnan(flat)):
        found[place] = None
    return found


def title_of(variant: Variant | SearchedOptimizer) -> str:
    """Name an optimizer of a study for people, its label included where that says more."""
    try:
        title = optimizers.get(variant.name).title
    except LpwdError:  # it has left the catalogue since
        return variant.label
    return title if variant.label == variant.name else f"{title} ({variant.label})"


def _cell_states(states: npt.NDArray[np.int8]) -> list[CellState]:
    """Return the state of each cell, from those of its trials: (L, W, S) to L·W."""

    def some(state: TrialState) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = (states == CODES[state]).any(axis=-1).ravel()
        return found

    diverged = (states == CODES[TrialState.DIVERGED]).all(axis=-1).ravel()
    rules = (
        (some(TrialState.FAILED), CellState.FAILED),
        (some(TrialState.RUNNING), CellState.RUNNING),
        (diverged, CellState.DIVERGED),
        (some(TrialState.PENDING), CellState.PENDING),
    )
    found = np.full(diverged.shape, CellState.DONE, object)
    for applies, state in reversed(rules):
        found[applies] = state
    return list(found)


def _intervals(
    scores: robustness.Array, metric: MetricView
) -> tuple[robustness.Array, robustness.Array]:
    """95 % intervals of the means: Student's t over seeds, within what the metric can be.

    Args:
        scores: (…, S), NaN where there is none.
        metric: What they are.

    Returns:
        Both ends, (…); NaN with fewer than two seeds.
    """
    known = np.isfinite(scores)
    count = known.sum(axis=-1)
    means = robustness.seed_mean(scores)
    off = np.where(known, scores - means[..., None], 0.0)
    several = np.maximum(count, 2)
    deviation = np.sqrt((off**2).sum(axis=-1) / (several - 1))
    half = student.quantile(several - 1, 0.975) * deviation / np.sqrt(several)
    low, high = (np.where(count < 2, np.nan, end) for end in (means - half, means + half))
    return (np.maximum(low, 0.0), np.minimum(high, 1.0)) if metric.percent else (low, high)


def _domain(maps: Sequence[Heatmap], metric: MetricView) -> tuple[float, float] | None:
    """Colours of a study, from its best mean."""
    means = [cell.mean for one in maps for cell in one.cells.values() if cell.mean is not None]
    return colour_domain(means, metric)


def _row(
    spec: StudySpec, entry: str, one: Heatmap, grid: Grid, metric: MetricView, epsilon: float
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
    low, high = possible(interval.low, interval.high, metric) if interval else (None, None)
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
    grid: Grid,
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
    low, high = _intervals(scores.T, metric)
    several = len(curves) > 1
    return LearningCurve(
        optimizer=one.optimizer,
        title=one.title,
        epochs=tuple(range(1, epochs + 1)),
        mean=tuple(map(float, scores.mean(axis=0))),
        low=tuple(low.tolist()) if several else None,
        high=tuple(high.tolist()) if several else None,
        seeds=len(curves),
    )
