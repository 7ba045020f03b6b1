"""What a comparison with a reference says, in sentences no stronger than its seeds allow."""

from dashboards import formatting
from service.comparison.model import (
    Comparison,
    MeasureDifference,
    MeasureName,
    OptimizerDifference,
)
from service.heatmaps.model import MetricView

NAMES = {
    MeasureName.BEST: "best score",
    MeasureName.WIDTH: "tolerance width",
    MeasureName.AREA: "tolerance area",
}
"""Measures, as people call them."""
SUBJECT = "lpwd"
"""The last word of the catalogue's names of the optimizers that the verdict is about."""


def verdict(results: Comparison) -> str | None:
    """Who is significantly better or worse than the reference, and whether LPWD is.

    None while there is nothing to say.
    """
    told = [
        (one, measure)
        for one in results.optimizers
        for measure in one.measures
        if measure.difference is not None
    ]
    if not told:
        return None
    sentences = _significant(results) or [_nothing(results)]
    sentences += [
        _standing(one, results) for one in results.optimizers if one.entry.endswith(SUBJECT)
    ]
    return " ".join(sentences)


def honesty(results: Comparison) -> str:
    """How the differences came about, and what may be called significant."""
    said = (
        "Differences are paired: on the same seeds, with the same initial weights and batches. "
        "Significant is what its 95\N{NO-BREAK SPACE}% interval sets apart from 0 and an exchange "
        "of the two optimizers, seed by seed, calls improbable (p < 5\N{NO-BREAK SPACE}%, after "
        "Holm's correction over all that is compared here). "
    )
    if results.seeds < results.seeds_needed:
        seeds = formatting.count(results.seeds, "seed")
        return said + (f"With {seeds} nothing can be: at least {results.seeds_needed} are needed.")
    return said + "What is not marked may be chance."


def amount(measure: MeasureDifference, metric: MetricView) -> str:
    """A difference in its measure's own unit."""
    return quantity(measure.measure, measure.difference, metric)


def quantity(name: MeasureName, value: float | None, metric: MetricView) -> str:
    """A value of a measure's difference, with its sign."""
    if value is None:
        return "–"
    if name is MeasureName.BEST:
        return formatting.change(value, metric)
    sign = "+" if value > 0 else formatting.MINUS if value < 0 else ""
    if name is MeasureName.WIDTH:
        return f"{sign}{abs(value):.2f} decades"
    return f"{sign}{100 * abs(value):.0f} points"


def unit(name: MeasureName, metric: MetricView) -> str:
    """What a measure's difference is in, for the head of a table; empty for the metric's own."""
    if name is MeasureName.WIDTH:
        return "decades"
    return "points" if name is MeasureName.AREA or metric.percent else ""


def bare(name: MeasureName, value: float | None, metric: MetricView) -> str:
    """A value of a measure's difference, with its sign and without its unit."""
    return (
        quantity(name, value, metric)
        .removesuffix("points")
        .removesuffix("point")
        .removesuffix("decades")
        .strip()
    )


def interval(measure: MeasureDifference, metric: MetricView) -> str:
    """The 95 % interval of a difference, without its unit."""
    if measure.low is None or measure.high is None:
        return "–"
    low, high = (bare(measure.measure, end, metric) for end in (measure.low, measure.high))
    return f"{low} to {high}"


def ahead(measure: MeasureDifference, metric: MetricView) -> bool | None:
    """Whether an optimizer is ahead of the reference in a measure; None where they are level."""
    if not measure.difference:
        return None
    up = metric.maximize or measure.measure is not MeasureName.BEST
    return (measure.difference > 0) == up


def _significant(results: Comparison) -> list[str]:
    found = []
    for one in results.optimizers:
        for measure in one.measures:
            if measure.significant:
                how = "ahead of" if ahead(measure, results.metric) else "behind"
                found.append(
                    f"{one.title} is significantly {how} {results.reference_title} in "
                    f"{NAMES[measure.measure]} ({amount(measure, results.metric)})."
                )
    return found


def _nothing(results: Comparison) -> str:
    if results.seeds < results.seeds_needed:
        seeds = formatting.count(results.seeds, "seed")
        return (
            f"{seeds}: too few to call any difference from {results.reference_title} significant "
            f"(at least {results.seeds_needed} are needed)."
        )
    return (
        f"No optimizer differs significantly from {results.reference_title} in best score, "
        "tolerance width or tolerance area."
    )


def _standing(one: OptimizerDifference, results: Comparison) -> str:
    """Where LPWD stands against the reference, said plainly."""
    told = [measure for measure in one.measures if measure.difference is not None]
    if not told:
        return f"{one.title} cannot be compared yet."
    wins = [m for m in told if m.significant and ahead(m, results.metric)]
    parts = ", ".join(f"{NAMES[m.measure]} {amount(m, results.metric)}" for m in told)
    if wins:
        names = " and ".join(NAMES[measure.measure] for measure in wins)
        return f"{one.title} beats {results.reference_title} in {names}; in all: {parts}."
    leads = [m for m in told if ahead(m, results.metric)]
    if not leads:
        return f"{one.title} does not beat {results.reference_title} here: {parts}."
    return (
        f"{one.title} is not shown to beat {results.reference_title}: {parts}, none of it "
        "significantly ahead."
    )
