"""From trials on a grid to differences from a reference: pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

import lpwd.catalogue as optimizers
from lpwd import paired
from lpwd.robustness import Array
from service.comparison.model import (
    CellDifference,
    Comparison,
    MeasureDifference,
    MeasureName,
    OptimizerDifference,
)
from service.errors import InvalidRequestError
from service.heatmaps.aggregate import Grid, grids, metric_view, title_of
from service.heatmaps.layout import CODES, Layout
from service.heatmaps.model import MetricView
from service.heatmaps.scale import POINTS
from service.studies.planning import StudySpec, Variant
from service.trials.model import TrialState

PREFERRED = ("adamw", "sgdw")
"""References where none is named: the usual practice, if it is there."""


def reference_of(spec: StudySpec, wanted: str | None) -> Variant:
    """Return the optimizer that the others are compared with.

    Args:
        spec: The study.
        wanted: Its label; None for AdamW or SGDW, else a baseline, else the first.

    Raises:
        InvalidRequestError: The study has none of that label, or has but one optimizer.
    """
    labels = {variant.label: variant for variant in spec.variants}
    if wanted is not None and wanted not in labels:
        raise InvalidRequestError(
            f"the study has no optimizer {wanted[:80]!r}; it has {', '.join(labels)}",
            field="reference",
        )
    if len(labels) < 2:
        raise InvalidRequestError(
            f"the study has one optimizer, {spec.variants[0].label}, and nothing to compare it "
            "with; extend it, or compare studies at /api/v1/compare"
        )
    if wanted is not None:
        return labels[wanted]
    usual = [one for name in PREFERRED for one in spec.variants if one.name == name]
    return next(iter([*usual, *filter(_is_baseline, spec.variants), *spec.variants]))


def _is_baseline(variant: Variant) -> bool:
    return any(one.name == variant.name and one.role == "baseline" for one in optimizers.entries())


def compare(
    spec: StudySpec, layout: Layout, *, reference: Variant, split: str, tolerance: float
) -> Comparison:
    """Compare all optimizers of a study with one of them.

    Args:
        spec: The study.
        layout: All its trials, on the grid.
        reference: One of its optimizers.
        split: ``test`` or ``validation``, of the differences; the best is chosen on validation.
        tolerance: ε, in the metric's own unit.
    """
    metric = metric_view(spec.task, split)
    found = grids(spec, layout, metric)
    others = [variant for variant in spec.variants if variant.label != reference.label]
    differences = [
        difference(
            spec.learning_rates,
            spec.weight_decays,
            (variant.label, title_of(variant), variant.name),
            (found[variant.label], found[reference.label]),
            metric,
            tolerance,
        )
        for variant in others
    ]
    compared = adjusted(differences)
    return Comparison(
        metric=metric,
        tolerance=tolerance,
        reference=reference.label,
        reference_title=title_of(reference),
        seeds=len(spec.seeds),
        seeds_needed=paired.ENOUGH_SEEDS,
        domain=domain(compared, metric, tolerance),
        optimizers=tuple(compared),
    )


def difference(
    learning_rates: Sequence[float],
    weight_decays: Sequence[float],
    names: tuple[str, str, str],
    both: tuple[Grid, Grid],
    metric: MetricView,
    tolerance: float,
) -> OptimizerDifference:
    """Compare two maps over the same rates and seeds; p values are not adjusted yet.

    Args:
        learning_rates: Of both.
        weight_decays: Of both.
        names: Label, title and name in the catalogue of the first.
        both: The one that is compared, and what it is compared with.
        metric: What they show.
        tolerance: ε, in the metric's own unit.
    """
    label, title, entry = names
    cells = {
        (cell.learning_rate, cell.weight_decay): cell
        for cell in _cells(learning_rates, weight_decays, both, metric)
    }
    return OptimizerDifference(
        optimizer=label,
        title=title,
        entry=entry,
        learning_rates=tuple(learning_rates),
        weight_decays=tuple(weight_decays),
        cells=cells,
        measures=tuple(_measures(np.array(weight_decays), both, metric, tolerance)),
    )


def _cells(
    learning_rates: Sequence[float],
    weight_decays: Sequence[float],
    both: tuple[Grid, Grid],
    metric: MetricView,
) -> Iterator[CellDifference]:
    one, reference = both
    found = paired.cells(one.reported, reference.reported)
    diverged = [(grid.states == CODES[TrialState.DIVERGED]).all(axis=-1) for grid in both]
    columns = (
        found.mean,
        found.low,
        found.high,
        found.seeds,
        found.p,
        diverged[0] | diverged[1],
    )
    places = product(learning_rates, weight_decays)
    rows = zip(*(column.ravel().tolist() for column in columns), strict=True)
    for place, (mean, low, high, seeds, p, lost) in zip(places, rows, strict=True):
        yield CellDifference(
            *place,
            difference=_or_none(mean),
            low=_or_none(low),
            high=_or_none(high),
            seeds=seeds,
            p=p,
            p_adjusted=p,
            significant=False,
            better=_better(mean, metric),
            diverged=lost,
        )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _better(difference: float, metric: MetricView) -> bool | None:
    if np.isnan(difference) or difference == 0:
        return None
    return bool((difference > 0) == metric.maximize)


def _measures(
    weight_decays: Array, both: tuple[Grid, Grid], metric: MetricView, tolerance: float
) -> Iterator[MeasureDifference]:
    one, reference = both
    up = metric.maximize
    measures = {
        MeasureName.BEST: paired.chosen(up),
        MeasureName.WIDTH: paired.width(weight_decays, tolerance, up),
        MeasureName.AREA: paired.area(tolerance, up),
    }
    complete = all(np.isfinite(grid.reported).all() for grid in both)
    flat = any(grid.peak(metric, tolerance) is None for grid in both)
    for name, measure in measures.items():
        reason = None
        if not complete:
            reason = "not every trial of both has a result"
        elif name is not MeasureName.BEST and flat:
            reason = "a map hardly rises above chance"
        elif name is MeasureName.WIDTH and not (weight_decays > 0).any():
            reason = "there is no positive weight decay"
        if reason is not None:
            yield MeasureDifference(name, None, None, None, None, None, False, reason)
            continue
        maps = (one.reported, reference.reported)
        if name is MeasureName.BEST:
            maps = (
                np.concatenate([one.validation, one.reported]),
                np.concatenate([reference.validation, reference.reported]),
            )
        found = paired.compare(*maps, measure)
        low, high = (found.interval.low, found.interval.high) if found.interval else (None, None)
        yield MeasureDifference(name, found.value, low, high, found.p, found.p, False)


def adjusted(differences: Sequence[OptimizerDifference]) -> list[OptimizerDifference]:
    """Adjust p values for all comparisons that are made at once, and tell what is significant.

    Cells and measures of whole maps are two families, each adjusted over all optimizers.
    """
    cells = [cell for one in differences for cell in one.cells.values() if cell.seeds]
    measures = [
        (measure, max(cell.seeds for cell in one.cells.values()))
        for one in differences
        for measure in one.measures
        if measure.p is not None
    ]
    of_cells = {id(cell): p for cell, p in zip(cells, _holm([c.p for c in cells]), strict=True)}
    of_measures = {
        id(measure): (p, seeds)
        for (measure, seeds), p in zip(
            measures, _holm([measure.p or 0.0 for measure, _ in measures]), strict=True
        )
    }
    return [
        replace(
            one,
            cells={
                place: replace(
                    cell,
                    p_adjusted=of_cells[id(cell)],
                    significant=_significant(cell.low, cell.high, cell.seeds, of_cells[id(cell)]),
                )
                if id(cell) in of_cells
                else cell
                for place, cell in one.cells.items()
            },
            measures=tuple(
                _told(measure, *of_measures[id(measure)]) if id(measure) in of_measures else measure
                for measure in one.measures
            ),
        )
        for one in differences
    ]


def _told(measure: MeasureDifference, p: float, seeds: int) -> MeasureDifference:
    significant = _significant(measure.low, measure.high, seeds, p)
    return replace(measure, p_adjusted=p, significant=significant)


def _holm(p: list[float]) -> list[float]:
    found: list[float] = paired.holm(np.array(p)).tolist() if p else []
    return found


def _significant(low: float | None, high: float | None, seeds: int, p: float) -> bool:
    if low is None or high is None or seeds < paired.ENOUGH_SEEDS:
        return False
    return (low > 0 or high < 0) and p < paired.ALPHA


def domain(
    differences: Sequence[OptimizerDifference], metric: MetricView, tolerance: float
) -> float:
    """Return where the colours end: the largest difference, within a tolerance and ten points.

    Ten points of a metric in per cent; of another, a tenth of the way from 0 to chance.
    """
    sizes = [
        abs(cell.difference)
        for one in differences
        for cell in one.cells.values()
        if cell.difference is not None
    ]
    most = POINTS * (1.0 if metric.percent else abs(metric.chance) or 1.0)
    return max(min(max(sizes, default=0.0), most), min(tolerance, most))
