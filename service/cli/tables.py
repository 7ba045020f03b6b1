"""Results as a table in the terminal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from service.cli.output import count, moment
from service.comparison.model import Comparison, MeasureName
from service.heatmaps.model import RobustnessRow, StudyResults
from service.schedules.schemas import TrendAnswer
from service.search.answers import SearchAnswer


def robustness(results: StudyResults) -> Table:
    """Return one line an optimizer: best, where, how far weight decay may stray."""
    metric = results.metric
    score = _percent if metric.percent else _plain
    unit = " in %" if metric.percent else ""
    epsilon = results.tolerance
    points = f"{100 * epsilon:g} point" if metric.percent else f"{epsilon:g}"
    table = Table(
        title=f"{metric.split} {metric.name}{unit}, {count(results.seeds, 'seed')}",
        caption="best: chosen on validation, * at the grid's edge. width: decades of weight decay, "
        f"the safe ones, within {points} of the map's best mean; ≥ where the grid ends first.",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("optimizer", no_wrap=True)
    for name in ("best", "95 %", "lr", "wd", "width", "safe wd", "diverged"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in results.robustness:
        table.add_row(
            row.title,
            score(row.best),
            _span(row.best_low, row.best_high, score),
            _rate(row.learning_rate) + "*" * ("learning_rate" in row.on_edge),
            _rate(row.weight_decay) + "*" * ("weight_decay" in row.on_edge),
            _width(row),
            _span(*_ends(row.safe_decays), _rate),
            str(row.diverged),
        )
    return table


def side_by_side(found: Mapping[str, Any]) -> Table:
    """Return one line a study and optimizer, from what `Client.compare` returns."""
    metric = found["metric"]
    score = _percent if metric["percent"] else _plain
    unit = " in %" if metric["percent"] else ""
    table = Table(
        title=f"{found['task']}, {metric['split']} {metric['name']}{unit}",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for name in ("study", "optimizer"):
        table.add_column(name, no_wrap=True)
    for name in ("best", "95 %", "lr", "wd", "width", "safe wd"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("name", overflow="fold")
    for study in found["studies"]:
        for number, row in enumerate(study["robustness"]):
            table.add_row(
                "" if number else study["id"],
                Text(row.title),
                score(row.best),
                _span(row.best_low, row.best_high, score),
                _rate(row.learning_rate),
                _rate(row.weight_decay),
                _width(row),
                _span(*_ends(row.safe_decays), _rate),
                Text("" if number else study["name"]),
            )
    return table


def comparison(found: Comparison) -> Table:
    """Return one line an optimizer and measure: the difference to the reference."""
    metric = found.metric
    table = Table(
        title=f"against {found.reference_title}, {metric.split} {metric.name}, "
        f"{count(found.seeds, 'seed')}",
        caption="best: points of the cell chosen on validation; width: decades of weight decay; "
        "area: share of the map within the tolerance. p: adjusted for how many comparisons there "
        f"are. Fewer than {found.seeds_needed} seeds can show nothing.",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("optimizer", no_wrap=True)
    table.add_column("measure", no_wrap=True)
    for name in ("difference", "95 %", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for one in found.optimizers:
        for number, measure in enumerate(one.measures):
            shares = measure.measure is MeasureName.AREA or (
                measure.measure is MeasureName.BEST and metric.percent
            )
            shown = _signed_percent if shares else _signed
            said = "significant" if measure.significant else (measure.reason or "")
            table.add_row(
                "" if number else Text(one.title),
                str(measure.measure),
                shown(measure.difference),
                _span(measure.low, measure.high, shown).replace("–", " to "),
                "-" if measure.p_adjusted is None else f"{measure.p_adjusted:.3f}",
                said,
            )
    return table


def trend(found: Sequence[TrendAnswer]) -> Table:
    """Return one line a study and optimizer: the best score, and whether that is worse."""
    table = Table(
        caption="best: chosen on validation. worse: than in the study sent before, paired by seed.",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for name in ("due", "study", "optimizer"):
        table.add_column(name, no_wrap=True)
    for name in ("best", "95 %", "worse"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for sent in found:
        score, signed = (_percent, _signed_percent) if sent.percent else (_plain, _signed)
        place = (moment(sent.due_at) or "", sent.study_id)
        for number, one in enumerate(sent.optimizers):
            table.add_row(
                *(("", "") if number else place),
                Text(one.title),
                score(one.best),
                _span(one.low, one.high, score),
                "" if one.regression is None else signed(one.regression.difference),
            )
        if sent.reason is not None:
            table.add_row(*place, "", "-", "-", "", Text(sent.reason))
    return table


def best_points(found: SearchAnswer) -> Table:
    """Return one line an optimizer: the best point of a search."""
    metric = found.metric
    score = _percent if metric["percent"] else _plain
    unit = " in %" if metric["percent"] else ""
    table = Table(
        title=f"best points by {metric['split']} {metric['name']}{unit}, "
        f"{count(found.seeds, 'seed')}",
        caption=f"of {count(found.points, 'point')} each at most; stop.: early, by successive "
        "halving; div.: diverged; fail.: failed. The test score had no part in the choice.",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("optimizer", no_wrap=True)
    for name in ("valid.", "test", "lr", "wd"):
        table.add_column(name, justify="right", no_wrap=True)
    own = any(len(one.space) > 2 for one in found.optimizers)
    if own:
        table.add_column("and")
    for name in ("point", "done", "stop.", "div.", "fail."):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.optimizers:
        best = one.best
        table.add_row(
            one.title,
            score(None if best is None else best.value),
            score(None if best is None else best.test_value),
            _rate(None if best is None else best.learning_rate),
            _rate(None if best is None else best.weight_decay),
            *([_own({} if best is None else best.parameters)] if own else []),
            "-" if best is None else str(best.number),
            *(str(number) for number in (one.done, one.pruned, one.diverged, one.failed)),
        )
    return table


def _own(parameters: Mapping[str, Any]) -> str:
    """Name an optimizer's own hyperparameters with their values."""
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}".lower()
        for name, value in parameters.items()
        if name not in ("learning_rate", "weight_decay")
    )


def _ends(interval: Sequence[float] | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval[0], interval[1])


def _span(low: float | None, high: float | None, shown: Callable[[float | None], str]) -> str:
    return "-" if low is None else f"{shown(low)}–{shown(high)}"


def _width(row: RobustnessRow) -> str:
    if row.width is None:
        return "-"
    return f"{'≥ ' if row.width_is_bound else ''}{row.width:.1f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3g}"


def _signed_percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.1f}"
