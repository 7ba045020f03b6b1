"""Learning curves of every optimizer's best cell, each labelled at its end."""

from math import floor, isfinite

from dashboards import formatting
from dashboards.charts.lines import (
    DASHES,
    LABEL_GAP,
    LABEL_ROOM,
    PLOT_WIDTH,
    End,
    Look,
    end_labels,
    looks,
)
from dashboards.charts.theme import VEGA_LITE, Spec, Theme, config
from service.heatmaps.model import LearningCurve, StudyResults

LEFT, HEIGHT = 52, 216


def learning_curves(results: StudyResults, theme: Theme) -> Spec:
    """Mean over seeds by epoch with its 95 % interval, for every optimizer that has one."""
    curves = [curve for curve in results.curves if curve.epochs]
    low, high = vertical_range(curves)
    height = max(HEIGHT, LABEL_GAP * len(curves))
    names = [heatmap.optimizer for heatmap in results.heatmaps]
    look_of = looks([*names, *(curve.optimizer for curve in results.curves)], theme)
    layers = [_frame(results, curves, (low, high))]
    for curve in curves:
        layers += _line(curve, look_of[curve.optimizer], results)
    ends = [End(curve.title, curve.mean[-1], look_of[curve.optimizer]) for curve in curves]
    layers += end_labels(ends, (low, high), height)
    return {
        "$schema": VEGA_LITE,
        "description": _sentence(curves, results),
        "background": theme.background,
        "autosize": {"type": "none"},
        "padding": {"left": LEFT, "right": LABEL_ROOM, "top": 10, "bottom": 40},
        "config": config(theme),
        "width": PLOT_WIDTH,
        "height": height,
        "layer": layers,
    }


def vertical_range(curves: list[LearningCurve]) -> tuple[float, float]:
    """The scores to show: all after the first fifth of the epochs, so that the ends can be told
    apart, with a margin; the steep start may leave the frame."""
    shown: list[float] = []
    for curve in curves:
        late = floor(len(curve.epochs) / 5)
        for series in (curve.mean, curve.low or (), curve.high or ()):
            shown += [value for value in series[late:] if isfinite(value)]
    if not shown:
        return 0.0, 1.0
    low, high = min(shown), max(shown)
    margin = 0.06 * (high - low) or 0.01 * abs(high) or 0.01
    return low - margin, high + margin


def epoch_ticks(first: int, last: int, most: int = 6) -> list[int]:
    """Round epochs to label: multiples of 1, 2 or 5 times a power of ten."""
    step = next(
        size * 10**power
        for power in range(10)
        for size in (1, 2, 5)
        if last // (size * 10**power) - (first - 1) // (size * 10**power) <= most
    )
    return [epoch for epoch in range(first, last + 1) if epoch % step == 0]


def _frame(results: StudyResults, curves: list[LearningCurve], bounds: tuple[float, float]) -> Spec:
    """Axes and grid lines, on a mark that is not seen."""
    last = max((curve.epochs[-1] for curve in curves), default=1)
    first = min(min((curve.epochs[0] for curve in curves), default=0), last - 1)
    percent = results.metric.percent
    fine = bounds[1] - bounds[0] < 0.05
    return {
        "data": {"values": [{"epoch": first, "score": bounds[0]}]},
        "mark": {"type": "point", "opacity": 0, "aria": False},
        "encoding": {
            "x": {
                "field": "epoch",
                "type": "quantitative",
                "scale": {"domain": [first, last], "nice": False, "zero": False},
                "axis": {"title": "epoch", "values": epoch_ticks(first, last), "format": "d"},
            },
            "y": {
                "field": "score",
                "type": "quantitative",
                "scale": {"domain": list(bounds), "nice": False, "zero": False},
                "axis": {
                    "title": f"{results.metric.split} {results.metric.name}",
                    "grid": True,
                    "tickCount": 5,
                    "format": (".1%" if fine else ".0%") if percent else "~g",
                    "minExtent": 34,
                    "maxExtent": 34,
                },
            },
        },
    }


def _line(curve: LearningCurve, look: Look, results: StudyResults) -> list[Spec]:
    low, high = curve.low or curve.mean, curve.high or curve.mean
    values = [
        {"epoch": epoch, "score": mean, "low": lower, "high": upper}
        for epoch, mean, lower, upper in zip(curve.epochs, curve.mean, low, high, strict=True)
    ]
    x = {"field": "epoch", "type": "quantitative"}
    band = {
        "data": {"values": values},
        "mark": {
            "type": "area",
            "clip": True,
            "aria": False,
            "fill": look.colour,
            "fillOpacity": 0.14,
        },
        "encoding": {
            "x": x,
            "y": {"field": "low", "type": "quantitative"},
            "y2": {"field": "high"},
        },
    }
    dash = {} if look.dash == DASHES[0] else {"strokeDash": look.dash}
    lone = len(values) == 1
    final = f"{curve.title}: {formatting.score(curve.mean[-1], results.metric)}"
    line = {
        "data": {"values": values},
        "mark": {"type": "point", "filled": True, "fill": look.colour, "size": 36, "opacity": 1}
        if lone
        else {
            "type": "line",
            "clip": True,
            "stroke": look.colour,
            "strokeWidth": 1.75,
            "strokeJoin": "round",
            **dash,
        },
        "encoding": {
            "x": x,
            "y": {"field": "score", "type": "quantitative"},
            "description": {"value": f"{final} at epoch {curve.epochs[-1]}"},
        },
    }
    return [line] if lone or curve.low is None else [band, line]


def _sentence(curves: list[LearningCurve], results: StudyResults) -> str:
    if not curves:
        return "Learning curves: none yet"
    ends = "; ".join(
        f"{curve.title} {formatting.score(curve.mean[-1], results.metric)}" for curve in curves
    )
    return f"Learning curves of the best cells. At the last epoch: {ends}"
