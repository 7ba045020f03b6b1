"""One optimizer's points in the plane of learning rate and weight decay."""

import json
from typing import Any

from dashboards import formatting
from dashboards.charts import scale
from dashboards.charts.heatmap import CROSS
from dashboards.charts.span import Span, span
from dashboards.charts.theme import VEGA_LITE, Spec, Theme, config
from service.search.model import OptimizerSearch, SearchedPoint, SearchResults
from workers.search.contracts import LEARNING_RATE, WEIGHT_DECAY, Kind, Parameter, PointState

WIDTH, HEIGHT = 284, 230
FAILED = "M-1,0L0,-1M-1,1L1,-1M0,1L1,0"
"""A hatch, as on maps."""
ORDER = (
    PointState.FAILED,
    PointState.PRUNED,
    PointState.DIVERGED,
    PointState.RUNNING,
    PointState.DONE,
)
"""Drawn later is drawn above."""
WORDS = {
    PointState.DONE: "trained in full",
    PointState.PRUNED: "stopped early",
    PointState.DIVERGED: "diverged",
    PointState.FAILED: "failed",
    PointState.RUNNING: "training",
}


def plane(one: OptimizerSearch, results: SearchResults, *, theme: Theme) -> Spec:
    """Learning rate across, weight decay up, as on maps; the colour is the validation score."""
    axes = {
        "x": _axis(one, LEARNING_RATE, WIDTH),
        "y": _axis(one, WEIGHT_DECAY, HEIGHT),
    }
    layers = [_points(one, results, theme, axes), _running(one, theme, axes)]
    layers = [layer for layer in layers if layer["data"]["values"]] or [_nothing()]
    looks: dict[str, Spec] = {
        "x": {"title": "learning rate"},
        "y": {"title": "weight decay", "minExtent": 37, "maxExtent": 37},
    }
    for layer in layers:
        for channel, axis in axes.items():
            layer["encoding"][channel] |= {
                "axis": _drawn(axis) | looks[channel],
                "scale": {"domain": [0, axis.length], "nice": False, "zero": False},
            }
    return {
        "$schema": VEGA_LITE,
        "description": summarise(one, results),
        "background": theme.background,
        "padding": {"left": 4, "right": 8, "top": 4, "bottom": 4},
        "config": config(theme) | {"axis": config(theme)["axis"] | {"grid": True}},
        "width": WIDTH,
        "height": HEIGHT,
        "layer": layers,
    }


def summarise(one: OptimizerSearch, results: SearchResults) -> str:
    """A plane in one sentence."""
    tried = f"{one.title}: {formatting.count(len(one.points), 'point')}"
    if one.best is None:
        return f"{tried}, none trained in full yet"
    return f"{tried}; best {formatting.score(one.best.value, results.metric)}, {place(one.best)}"


def describe(point: SearchedPoint, one: OptimizerSearch, results: SearchResults) -> str:
    """Number, place, score and what became of a point."""
    said = [WORDS[point.state]]
    if point.state is PointState.PRUNED:
        said = [f"stopped after {formatting.count(point.epochs, 'epoch')}"]
    if point.value is not None and point.state is not PointState.DIVERGED:
        said.insert(0, formatting.score(point.value, results.metric))
    if point.diverged and point.state is not PointState.DIVERGED:
        said.append(f"{point.diverged} of {formatting.count(results.seeds, 'seed')} diverged")
    if one.best is not None and point.number == one.best.number:
        said.append("best")
    return f"{one.title}, point {point.number}: {place(point)}: {', '.join(said)}"


def place(point: SearchedPoint) -> str:
    """A point's parameters, in words."""
    return ", ".join(
        f"{words(name)} {shown(name, value)}" for name, value in point.parameters.items()
    )


def words(name: str) -> str:
    """A parameter's name, for people."""
    return name.replace("_", " ")


def shown(name: str, value: object) -> str:
    """A parameter's value, for people."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if not isinstance(value, float):
        return str(value)
    plain = name not in (LEARNING_RATE, WEIGHT_DECAY) and (value == 0 or 1e-3 <= abs(value) < 1e3)
    return f"{value:.3g}" if plain else formatting.rate(value)


def _axis(one: OptimizerSearch, name: str, length: float) -> Span:
    parameter = next(dimension for dimension in one.space if dimension.name == name)
    return span(_ends(parameter), length, log=_log(parameter), zero=parameter.zero)


def _ends(parameter: Parameter) -> list[float]:
    if parameter.kind is Kind.CHOICE:
        return [float(choice) for choice in parameter.choices]
    return [end for end in (parameter.low, parameter.high) if end is not None]


def _log(parameter: Parameter) -> bool:
    """Choices of a rate are as far apart as those of a grid, mostly: by factors."""
    return parameter.log or parameter.kind is Kind.CHOICE


def _drawn(axis: Span) -> Spec:
    ticks = axis.ticks()
    labels = {f"{pixel:g}": label for pixel, label in ticks}
    return {
        "values": [pixel for pixel, _ in ticks],
        "labelExpr": f"{json.dumps(labels)}[toString(datum.value)]",
        "labelOverlap": False,
    }


def _points(
    one: OptimizerSearch, results: SearchResults, theme: Theme, axes: dict[str, Span]
) -> Spec:
    ranked = sorted(one.points, key=lambda point: (ORDER.index(point.state), point.number))
    if one.best is not None:
        ranked.sort(key=lambda point: one.best is not None and point.number == one.best.number)
    return {
        "name": "points",
        "data": {"values": [_mark(point, one, results, theme, axes) for point in ranked]},
        "mark": {
            "type": "point",
            "invalid": "show",  # points without a final score, which have no colour
            "opacity": 1,
            "ariaRoleDescription": "point",
        },
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "y": {"field": "y", "type": "quantitative"},
            "shape": {"field": "shape", "type": "nominal", "scale": None},
            "size": {"field": "size", "type": "quantitative", "scale": None},
            "stroke": {"field": "stroke", "type": "nominal", "scale": None},
            "strokeWidth": {"field": "width", "type": "quantitative", "scale": None},
            "description": {"field": "description"},
            "fill": {
                "field": "score",
                "type": "quantitative",
                "legend": None,
                "scale": scale.viridis(results),
                "condition": [
                    {"test": "datum.best", "value": "#000000"},
                    {"test": "datum.score === null", "value": "transparent"},
                ],
            },
        },
    }


def _mark(
    point: SearchedPoint,
    one: OptimizerSearch,
    results: SearchResults,
    theme: Theme,
    axes: dict[str, Span],
) -> dict[str, Any]:
    best = one.best is not None and point.number == one.best.number
    done = point.state is PointState.DONE
    # Either end of viridis is hard to see on one of the themes without an outline.
    look: dict[str, Any] = {"shape": "circle", "size": 64, "stroke": theme.muted, "width": 1}
    if best:
        look |= {"size": 90, "stroke": "#ffffff", "width": 2}
    elif point.state is PointState.DIVERGED:
        look |= {"shape": CROSS, "size": 50, "stroke": theme.muted, "width": 1.5}
    elif point.state is PointState.FAILED:
        look |= {"shape": FAILED, "size": 70, "stroke": theme.muted, "width": 1.25}
    elif not done:
        look |= {"size": 22, "stroke": theme.muted, "width": 1.25}
    return {
        "x": axes["x"].pixel(point.learning_rate),
        "y": axes["y"].pixel(point.weight_decay),
        "score": point.value if done else None,
        "best": best,
        "description": describe(point, one, results),
        **look,
    }


def _running(one: OptimizerSearch, theme: Theme, axes: dict[str, Span]) -> Spec:
    """A ring around points in training, which a page pulses."""
    return {
        "name": "running",
        "data": {
            "values": [
                {
                    "x": axes["x"].pixel(point.learning_rate),
                    "y": axes["y"].pixel(point.weight_decay),
                }
                for point in one.points
                if point.state is PointState.RUNNING
            ]
        },
        "mark": {
            "type": "point",
            "aria": False,
            "filled": False,
            "opacity": 1,
            "size": 110,
            "stroke": theme.muted,
            "strokeWidth": 1.25,
        },
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "y": {"field": "y", "type": "quantitative"},
        },
    }


def _nothing() -> Spec:
    """A mark that is not seen, for its axes."""
    return {
        "data": {"values": [{"x": 0, "y": 0}]},
        "mark": {"type": "point", "opacity": 0, "aria": False},
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "y": {"field": "y", "type": "quantitative"},
        },
    }
