"""What a report says, whatever it is written in."""

from dataclasses import dataclass
from importlib.metadata import version

from sqlalchemy.orm import Session

from dashboards import formatting
from dashboards.difference_verdict import NAMES, bare, interval, unit
from dashboards.difference_verdict import honesty as difference_honesty
from dashboards.difference_verdict import verdict as difference_verdict
from dashboards.verdict import confound, honesty, verdict
from service.comparison.model import Comparison
from service.comparison.queries import Comparisons
from service.heatmaps.model import MetricView, RobustnessRow, StudyResults
from service.heatmaps.queries import ResultsCache
from service.studies.model import StudySummary
from service.studies.queries import summary
from workers.contracts import ENGINE_VERSION

NONE = "–"


@dataclass(frozen=True)
class Table:
    """Plain text, to be escaped by who writes it."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """The first column names the row."""


@dataclass(frozen=True)
class Report:
    """What a report says: plain text, to be escaped by who writes it."""

    study: StudySummary
    results: StudyResults
    comparison: Comparison | None
    facts: tuple[tuple[str, str], ...]
    verdict: tuple[str, ...]
    robustness: Table
    differences: Table | None
    notes: tuple[str, ...]
    origin: str


def gather(
    session: Session,
    study_id: str,
    results: ResultsCache,
    comparisons: Comparisons,
    *,
    reference: str | None,
    split: str,
    tolerance: float,
) -> Report:
    """Gather what a report says.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It is a search.
        InvalidRequestError: It has no such reference.
    """
    found = results.results(session, study_id, split=split, tolerance=tolerance)
    study = summary(session, study_id)
    several = len(found.heatmaps) > 1
    against = (
        comparisons.read(session, study_id, reference, split=split, tolerance=tolerance)
        if several or reference is not None
        else None
    )
    said = [verdict(found), difference_verdict(against) if against else None]
    notes = [honesty(found.seeds), confound(found)]
    notes += [difference_honesty(against)] if against else []
    notes.append(
        "The best cell is chosen on the validation split; tolerance is measured from the best mean "
        "on the map. Intervals are Student's t over seeds. Diverged runs count, at the score of "
        "chance."
    )
    return Report(
        study=study,
        results=found,
        comparison=against,
        facts=tuple(_facts(study)),
        verdict=tuple(one for one in said if one) or ("Nothing has finished yet.",),
        robustness=_robustness(found),
        differences=_differences(against) if against else None,
        notes=tuple(one for one in notes if one),
        origin=f"lpwd {version('lpwd')}, training engine {ENGINE_VERSION}, study {study.id}",
    )


def _facts(study: StudySummary) -> list[tuple[str, str]]:
    rates = " ".join(map(formatting.rate, study.learning_rates))
    decays = " ".join(map(formatting.rate, study.weight_decays))
    budget = study.budget
    return [
        ("Task", study.task),
        ("Optimizers", ", ".join(study.optimizers)),
        ("Learning rates", rates),
        ("Weight decays", decays),
        ("Seeds", " ".join(map(str, study.seeds))),
        (
            "Budget",
            f"{formatting.count(study.epochs, 'epoch')}, batches of {budget.batch_size}, learning "
            f"rate {budget.schedule}, {formatting.numerics(budget.numerics)}",
        ),
        ("Trials", f"{study.finished:,} of {study.trials:,} finished, {study.diverged:,} diverged"),
        ("Device", study.device or NONE),
    ]


def _robustness(results: StudyResults) -> Table:
    metric = results.metric
    points = formatting.difference(results.tolerance, metric)
    heads = (
        "Optimizer",
        f"Best {metric.split} {metric.name}",
        "95 % interval",
        "Learning rate",
        "Weight decay",
        "Width, decades",
        f"Cells within {points}",
        "95 % interval",
        "Diverged",
    )
    return Table(heads, tuple(_row(row, metric) for row in results.robustness))


def _row(row: RobustnessRow, metric: MetricView) -> tuple[str, ...]:
    area = NONE
    if row.area_low is not None and row.area_high is not None:
        area = f"{100 * row.area_low:.0f}–{100 * row.area_high:.0f} %"
    return (
        row.title,
        formatting.score(row.best, metric),
        formatting.interval(row.best_low, row.best_high, metric),
        NONE if row.learning_rate is None else formatting.rate(row.learning_rate),
        NONE if row.weight_decay is None else formatting.rate(row.weight_decay),
        formatting.width(row.width, row.width_is_bound),
        formatting.share(row.area),
        area,
        str(row.diverged),
    )


def _differences(found: Comparison) -> Table:
    heads = [f"Less {found.reference_title}"]
    for measure, name in NAMES.items():
        of = unit(measure, found.metric)
        heads += [f"{name.capitalize()}{f', {of}' if of else ''}", "95 % interval", "p, adjusted"]
    rows = []
    for one in found.optimizers:
        cells = [one.title]
        for difference in one.measures:
            mark = " *" if difference.significant else ""
            p = difference.p_adjusted
            cells += [
                bare(difference.measure, difference.difference, found.metric) + mark,
                interval(difference, found.metric),
                NONE if p is None else f"{p:.2g}",
            ]
        rows.append(tuple(cells))
    return Table(tuple(heads), tuple(rows))
