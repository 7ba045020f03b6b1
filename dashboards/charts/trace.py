"""The best score so far, over points or over the time of training, for every optimizer."""

from collections.abc import Callable
from enum import StrEnum

from dashboards import formatting
from dashboards.charts import scale
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
from dashboards.charts.span import round_values
from dashboards.charts.theme import VEGA_LITE, Spec, Theme, config
from service.search.model import OptimizerSearch, SearchResults, Step

LEFT, HEIGHT = 52, 190


class Over(StrEnum):
    """What the best so far is drawn over."""

    POINTS = "points tried"
    SECONDS = "seconds of training"


_OVER: dict[Over, Callable[[Step], float]] = {
    Over.POINTS: lambda step: step.points,
    Over.SECONDS: lambda step: step.seconds,
}


def best_so_far(results: SearchResults, over: Over, theme: Theme) -> Spec:
    """A line an optimizer that steps up wherever a better point was found."""
    found = [one for one in results.optimizers if one.trace]
    look_of = looks([one.optimizer for one in results.optimizers], theme)
    bounds = scale.domain(results)
    last = max((_OVER[over](one.trace[-1]) for one in found), default=1.0) or 1.0
    height = max(HEIGHT, LABEL_GAP * len(found))
    layers = [_frame(results, over, bounds, last)]
    for one in found:
        layers.append(_rest(one, look_of[one.optimizer], over, last))
        layers.append(_line(one, look_of[one.optimizer], over, results))
    ends = [End(one.title, one.trace[-1].value, look_of[one.optimizer]) for one in found]
    layers += end_labels(ends, bounds, height)
    return {
        "$schema": VEGA_LITE,
        "description": _sentence(found, over, results),
        "background": theme.background,
        "autosize": {"type": "none"},
        "padding": {"left": LEFT, "right": LABEL_ROOM, "top": 10, "bottom": 40},
        "config": config(theme),
        "width": PLOT_WIDTH,
        "height": height,
        "layer": layers,
    }


def _frame(results: SearchResults, over: Over, bounds: tuple[float, float], last: float) -> Spec:
    """Axes and grid lines, on a mark that is not seen."""
    percent = results.metric.percent
    fine = bounds[1] - bounds[0] < 0.05
    return {
        "data": {"values": [{"x": 0, "score": bounds[0]}]},
        "mark": {"type": "point", "opacity": 0, "aria": False},
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "scale": {"domain": [0, last], "nice": False, "zero": False},
                "axis": {"title": over.value, "values": round_values(0.0, last, 5), "format": "~g"},
            },
            "y": {
                "field": "score",
                "type": "quantitative",
                "scale": {"domain": list(bounds), "nice": False, "zero": False},
                "axis": {
                    "title": f"best {results.metric.split} {results.metric.name}",
                    "grid": True,
                    "tickCount": 5,
                    "format": (".1%" if fine else ".0%") if percent else "~g",
                    "minExtent": 34,
                    "maxExtent": 34,
                },
            },
        },
    }


def _line(one: OptimizerSearch, look: Look, over: Over, results: SearchResults) -> Spec:
    values = [{"x": _OVER[over](step), "score": step.value} for step in one.trace]
    dash = {} if look.dash == DASHES[0] else {"strokeDash": look.dash}
    final = formatting.score(one.trace[-1].value, results.metric)
    lone = len(values) == 1
    return {
        "data": {"values": values},
        "mark": {"type": "point", "filled": True, "fill": look.colour, "size": 36, "opacity": 1}
        if lone
        else {
            "type": "line",
            "interpolate": "step-after",
            "clip": True,
            "stroke": look.colour,
            "strokeWidth": 1.75,
            **dash,
        },
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "y": {"field": "score", "type": "quantitative"},
            "description": {"value": f"{one.title}: {final} after {one.trace[-1].points} points"},
        },
    }


def _rest(one: OptimizerSearch, look: Look, over: Over, last: float) -> Spec:
    """A faint line from where a search stands to the frame's end, where its name is."""
    step = one.trace[-1]
    return {
        "data": {"values": [{"x": _OVER[over](step), "x2": last, "score": step.value}]},
        "mark": {"type": "rule", "aria": False, "stroke": look.colour, "opacity": 0.35},
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "x2": {"field": "x2"},
            "y": {"field": "score", "type": "quantitative"},
        },
    }


def _sentence(found: list[OptimizerSearch], over: Over, results: SearchResults) -> str:
    if not found:
        return "Best so far: none yet"
    ends = "; ".join(
        f"{one.title} {formatting.score(one.trace[-1].value, results.metric)}" for one in found
    )
    return f"Best so far over {over.value}. At the end: {ends}"
