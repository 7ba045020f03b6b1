"""Studies beside one another: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dashboards.formatting import numerics
from lpwd import paired
from service.comparison.model import Comparison, MeasureDifference, OptimizerDifference
from service.comparison.pairs import adjusted, difference, domain
from service.errors import InvalidRequestError
from service.heatmaps.aggregate import Grid, grids, metric_view, title_of
from service.heatmaps.layout import Layout
from service.heatmaps.model import MetricView, StudyResults
from service.studies.model import StudySummary
from service.studies.planning import StudySpec

LEAST, MOST = 2, 10


@dataclass(frozen=True)
class Member:
    """A study that is compared."""

    study: StudySummary
    spec: StudySpec
    layout: Layout
    results: StudyResults


@dataclass(frozen=True)
class Distinction:
    """Something that is not the same in all studies."""

    what: str
    values: tuple[str, ...]
    """One a study, in their order."""
    matters: bool
    """Whether it changes the numbers of a trial, so that a difference may be due to it."""


@dataclass(frozen=True)
class Across:
    """Studies beside one another."""

    task: str
    metric: MetricView
    tolerance: float
    studies: tuple[StudySummary, ...]
    results: tuple[StudyResults, ...]
    """One a study, in their order."""
    distinctions: tuple[Distinction, ...]
    comparison: Comparison | None
    """Of every optimizer that a study shares with the first, by label: less that of the first, over
    the cells and seeds both have. None where nothing is shared."""


def check(specs: Mapping[str, StudySpec]) -> None:
    """See whether studies can be compared.

    Args:
        specs: What each asks for, by the study's id.

    Raises:
        InvalidRequestError: They are too few or too many, or of different tasks.
    """
    if not LEAST <= len(specs) <= MOST:
        raise InvalidRequestError(
            f"{len(specs)} different studies: choose from {LEAST} to {MOST}", field="study"
        )
    by_task: dict[str, str] = {}
    for study_id, spec in specs.items():
        by_task.setdefault(spec.task, study_id)
    if len(by_task) > 1:
        said = ", ".join(f"{study_id} is of {task}" for task, study_id in by_task.items())
        raise InvalidRequestError(
            f"scores of different tasks cannot be compared: {said}; choose studies of one task",
            field="study",
        )


def across(members: Sequence[Member], *, split: str, tolerance: float) -> Across:
    """Compare studies of one task.

    Args:
        members: From `LEAST` to `MOST`; the others are compared with the first.
        split: ``test`` or ``validation``.
        tolerance: ε, in the metric's own unit.
    """
    first = members[0]
    metric = metric_view(first.spec.task, split)
    return Across(
        task=first.spec.task,
        metric=metric,
        tolerance=tolerance,
        studies=tuple(member.study for member in members),
        results=tuple(member.results for member in members),
        distinctions=tuple(_distinctions(members)),
        comparison=_comparison(members, metric, tolerance),
    )


def _distinctions(members: Sequence[Member]) -> list[Distinction]:
    """List what differs in budget, seeds, versions and settings."""
    budgets = [member.spec.budget for member in members]
    rows: list[tuple[str, list[Any], bool]] = [
        ("task version", [member.spec.task_version for member in members], True),
        ("epochs", [budget.epochs for budget in budgets], True),
        ("batch size", [budget.batch_size for budget in budgets], True),
        ("schedule", [str(budget.schedule) for budget in budgets], True),
        ("numerics", [numerics(budget.numerics) for budget in budgets], True),
        ("seeds", [_listed(member.spec.seeds) for member in members], False),
        ("learning rates", [_rates(member.spec.learning_rates) for member in members], False),
        ("weight decays", [_rates(member.spec.weight_decays) for member in members], False),
        ("device", [member.study.device or "–" for member in members], False),
    ]
    labels = dict.fromkeys(one.label for member in members for one in member.spec.variants)
    for label in labels:
        found = [_settings(member.spec, label) for member in members]
        if len({one for one in found if one is not None}) > 1:
            rows.append((f"settings of {label}", [one or "–" for one in found], True))
    return [
        Distinction(what, tuple(map(str, values)), matters)
        for what, values, matters in rows
        if len(set(values)) > 1
    ]


def _settings(spec: StudySpec, label: str) -> str | None:
    for one in spec.variants:
        if one.label == label:
            given = ", ".join(f"{name} {value}" for name, value in one.hyperparameters.items())
            return f"{one.name} version {one.version}" + (f": {given}" if given else "")
    return None


def _listed(seeds: Sequence[int]) -> str:
    return " ".join(map(str, seeds))


def _rates(rates: Sequence[float]) -> str:
    return " ".join(f"{rate:g}" for rate in rates)


def _comparison(
    members: Sequence[Member], metric: MetricView, tolerance: float
) -> Comparison | None:
    first = members[0]
    known = {one.label: one for one in first.spec.variants}
    reference = grids(first.spec, first.layout, metric)
    differences: list[OptimizerDifference] = []
    for number, member in enumerate(members[1:], start=2):
        found = grids(member.spec, member.layout, metric)
        for variant in member.spec.variants:
            if variant.label not in known:
                continue
            both = found[variant.label], reference[variant.label]
            one = _shared(member.spec, first.spec, both, metric, tolerance)
            if one is not None:
                title = f"{title_of(variant)} ({number})"
                differences.append(
                    replace(
                        one,
                        optimizer=f"{variant.label}-{number}",
                        title=title,
                        entry=variant.name,
                    )
                )
    if not differences:
        return None
    told = adjusted(differences)
    seeds = max(cell.seeds for one in told for cell in one.cells.values())
    return Comparison(
        metric=metric,
        tolerance=tolerance,
        reference=first.study.id,
        reference_title="the first study",
        seeds=seeds,
        seeds_needed=paired.ENOUGH_SEEDS,
        domain=domain(told, metric, tolerance),
        optimizers=tuple(told),
    )


def _shared(
    spec: StudySpec,
    first: StudySpec,
    both: tuple[Grid, Grid],
    metric: MetricView,
    tolerance: float,
) -> OptimizerDifference | None:
    """Compare two maps where they overlap; None where they do not."""
    axes = [
        [value for value in mine if value in set(others)]
        for mine, others in (
            (spec.learning_rates, first.learning_rates),
            (spec.weight_decays, first.weight_decays),
            (spec.seeds, first.seeds),
        )
    ]
    if not all(axes):
        return None
    mine, others = (_part(grid, of, axes) for grid, of in zip(both, (spec, first), strict=True))
    found = difference(axes[0], axes[1], ("", "", ""), (mine, others), metric, tolerance)
    whole = (len(axes[0]), len(axes[1])) == (len(first.learning_rates), len(first.weight_decays))
    if whole and (axes[0], axes[1]) == (list(spec.learning_rates), list(spec.weight_decays)):
        return found
    reason = "the maps do not have the same rates"
    unknown = tuple(
        MeasureDifference(one.measure, None, None, None, None, None, False, reason)
        for one in found.measures
    )
    return replace(found, measures=unknown)


def _part(grid: Grid, spec: StudySpec, axes: Sequence[Sequence[Any]]) -> Grid:
    places = [
        [of.index(value) for value in wanted]
        for of, wanted in zip(
            (spec.learning_rates, spec.weight_decays, spec.seeds), axes, strict=True
        )
    ]
    at = np.ix_(*places)
    return Grid(grid.validation[at], grid.reported[at], grid.states[at])
