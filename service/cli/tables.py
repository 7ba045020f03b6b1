"""Results as a table in the terminal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table


def robustness(results: Mapping[str, Any]) -> Table:
    """Return one line an optimizer, from what `heatmap.json` holds."""
    metric = results["metric"]
    score = _percent if metric["percent"] else _plain
    unit = " in %" if metric["percent"] else ""
    epsilon = results["tolerance"]
    points = f"{100 * epsilon:g} point" if metric["percent"] else f"{epsilon:g}"
    table = Table(
        title=f"{metric['split']} {metric['name']}{unit}, {results['seeds']} seeds",
        caption="best: chosen on validation, * at the grid's edge. width: decades of weight decay, "
        f"the safe ones, within {points} of the map's best mean; ≥ where the grid ends first.",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("optimizer", no_wrap=True)
    for name in ("best", "95 %", "lr", "wd", "width", "safe wd", "diverged"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in results["robustness"]:
        edge = row["on_edge"]
        table.add_row(
            row["title"],
            score(row["best"]),
            _span(row["best_low"], row["best_high"], score),
            _rate(row["learning_rate"]) + "*" * ("learning_rate" in edge),
            _rate(row["weight_decay"]) + "*" * ("weight_decay" in edge),
            _width(row),
            _span(*_ends(row["safe_decays"]), _rate),
            str(row["diverged"]),
        )
    return table


def _ends(interval: Sequence[float] | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval[0], interval[1])


def _span(low: float | None, high: float | None, shown: Callable[[float | None], str]) -> str:
    return "-" if low is None else f"{shown(low)}–{shown(high)}"


def _width(row: Mapping[str, Any]) -> str:
    if row["width"] is None:
        return "-"
    return f"{'≥ ' if row['width_is_bound'] else ''}{row['width']:.1f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"
