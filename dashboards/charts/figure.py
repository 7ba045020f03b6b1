"""All panels of a study as one figure with one legend, for files and papers."""

from typing import Any

from dashboards import formatting
from dashboards.charts import scale
from dashboards.charts.heatmap import CROSS, panel
from dashboards.charts.key import Glyph, key
from dashboards.charts.sheet import LEGEND_HEIGHT, caption, columns_for, sheet, titled
from dashboards.charts.theme import Spec, Theme
from service.heatmaps.model import StudyResults

RAMP_WIDTH, RAMP_STEPS = 120, 60


def heatmaps(results: StudyResults, *, title: str, theme: Theme) -> Spec:
    """Every optimizer's panel, up to three in a row, under a title and a shared legend."""
    panels = titled(
        results.heatmaps,
        lambda one, x_title, y_title: panel(one, results, theme, x_title=x_title, y_title=y_title),
    )
    return sheet(
        panels or [_nothing(theme)],
        _legend(results, theme),
        columns=columns_for(len(panels)),
        title=title,
        subtitle=subtitle(results),
        theme=theme,
    )


def subtitle(results: StudyResults) -> str:
    """What the colours are, as a caption says it."""
    metric = results.metric
    seeds = formatting.count(results.seeds, "seed")
    return (
        f"{metric.split} {metric.name}, {'mean of ' if results.seeds > 1 else ''}{seeds} a cell; "
        f"outlined: within {formatting.difference(results.tolerance, metric)} of the best"
    )


def _nothing(theme: Theme) -> Spec:
    return {
        "width": 300,
        "height": 60,
        "data": {"values": [{}]},
        "mark": {"type": "text", "text": "no optimizers", "color": theme.muted},
    }


def _legend(results: StudyResults, theme: Theme) -> Spec:
    """A strip in pixel coordinates: the ramp with its ends, then a key to the glyphs in use."""
    dark, bright = scale.ends(results)
    step = RAMP_WIDTH / RAMP_STEPS
    worst, best = scale.captions(results)
    start = 62
    ramp = [
        {
            "x": start + index * step,
            "x2": start + (index + 1) * step + (0.5 if index < RAMP_STEPS - 1 else 0),
            "score": dark + (bright - dark) * (index + 0.5) / RAMP_STEPS,
        }
        for index in range(RAMP_STEPS)
    ]
    layers: list[Spec] = [
        {
            "data": {"values": ramp},
            "mark": {"type": "rect", "height": LEGEND_HEIGHT, "aria": False, "strokeWidth": 0},
            "encoding": {
                "x": _pixels("x"),
                "x2": {"field": "x2"},
                "y": {"value": LEGEND_HEIGHT / 2},
                "color": {
                    "field": "score",
                    "type": "quantitative",
                    "legend": None,
                    "scale": scale.viridis(results),
                },
            },
        },
        caption(worst, start - 6, "right", theme),
        caption(best, start + RAMP_WIDTH + 6, "left", theme),
    ]
    x = start + RAMP_WIDTH + 76.0
    for glyph, words in key(results):
        layers += [_glyph(mark, x) for mark in _marks(theme)[glyph]]
        layers.append(caption(words, x + 11, "left", theme))
        x += 30 + 5.6 * len(words)
    return {"width": round(x), "height": LEGEND_HEIGHT, "layer": layers}


def _marks(theme: Theme) -> dict[Glyph, list[Spec]]:
    """How each glyph is drawn beside its words."""
    point: dict[str, Any] = {"type": "point", "opacity": 1, "strokeWidth": 1.25}
    disc = {**point, "shape": "circle", "filled": True, "size": 75, "fill": "#000000"}
    ring = {**point, "shape": "circle", "filled": False, "size": 70, "stroke": theme.muted}
    dot = {**point, "shape": "circle", "filled": True, "size": 8, "fill": theme.muted}
    square = {**point, "shape": "square", "filled": False, "size": 120, "stroke": theme.ink}
    cross = {**point, "shape": CROSS, "filled": False, "size": 50, "stroke": theme.muted}
    return {
        Glyph.BEST: [{**disc, "stroke": "#ffffff", "strokeWidth": 2}],
        Glyph.TOLERANCE: [{**square, "strokeWidth": 2}],
        Glyph.DIVERGED: [cross],
        Glyph.FAILED: [{**cross, "shape": "M-1,0L0,-1M-1,1L1,-1M0,1L1,0", "size": 100}],
        Glyph.RUNNING: [dot, ring],
        Glyph.PENDING: [dot],
    }


def _pixels(field: str) -> Spec:
    """A position given in pixels from the left."""
    return {"field": field, "type": "quantitative", "scale": None, "axis": None}


def _glyph(mark: Spec, x: float) -> Spec:
    return {
        "data": {"values": [{}]},
        "mark": {**mark, "aria": False},
        "encoding": {"x": {"value": x}, "y": {"value": LEGEND_HEIGHT / 2}},
    }
