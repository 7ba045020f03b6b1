"""How much each hyperparameter matters, as bars, optimizer by optimizer."""

from typing import Any

from dashboards import formatting
from dashboards.charts.plane import words
from dashboards.charts.theme import VEGA_LITE, Spec, Theme, config
from service.search.model import OptimizerSearch, SearchResults

LEFT, WIDTH, RIGHT = 130, 250, 52
"""Pixels for names, bars and numbers."""
ROW, HEADING, GAP, BAR = 20, 22, 10, 12


def importance(results: SearchResults, theme: Theme) -> Spec:
    """Every optimizer under its name: a bar a hyperparameter, or why there is none."""
    layers: list[Spec] = []
    y = 0.0
    for one in results.optimizers:
        layers.append(_text(one.title, 0, y + HEADING / 2, theme.ink, fontWeight=600))
        y += HEADING
        for name, share in one.importance.shares:
            layers += _bar(one, name, share, y + ROW / 2, theme)
            y += ROW
        if not one.importance.shares:
            layers.append(_text(one.importance.reason or "", 0, y + ROW / 2, theme.muted))
            y += ROW
        y += GAP
    return {
        "$schema": VEGA_LITE,
        "description": summarise(results),
        "background": theme.background,
        "autosize": {"type": "none"},
        "padding": {"left": 2, "right": 2, "top": 2, "bottom": 2},
        "config": config(theme),
        "width": LEFT + WIDTH + RIGHT,
        "height": max(y - GAP, 1),
        "layer": layers or [_text("no optimizers", 0, 10, theme.muted)],
    }


def summarise(results: SearchResults) -> str:
    """The chart in words."""
    parts = []
    for one in results.optimizers:
        shares = ", ".join(
            f"{words(name)} {formatting.share(share)}" for name, share in one.importance.shares
        )
        parts.append(f"{one.title}: {shares or one.importance.reason}")
    return f"Importance of hyperparameters. {'; '.join(parts)}"


def _bar(one: OptimizerSearch, name: str, share: float, y: float, theme: Theme) -> list[Spec]:
    said = f"{one.title}: {words(name)} explains {formatting.share(share)} of the variance"
    bar: Spec = {
        "data": {"values": [{"description": said}]},
        "mark": {
            "type": "rect",
            "fill": theme.lines[0],
            "x": LEFT,
            "x2": LEFT + max(1.0, round(WIDTH * min(max(share, 0.0), 1.0), 1)),
            "y": y - BAR / 2,
            "y2": y + BAR / 2,
            "ariaRoleDescription": "bar",
        },
        "encoding": {"description": {"field": "description"}},
    }
    label = _text(words(name), LEFT - 8, y, theme.ink, align="right", limit=LEFT - 12)
    end = LEFT + WIDTH * min(max(share, 0.0), 1.0) + 6
    return [bar, label, _text(formatting.share(share), end, y, theme.muted)]


def _text(text: str, x: float, y: float, colour: str, **look: Any) -> Spec:
    mark = {"type": "text", "align": "left", "baseline": "middle", "aria": False}
    return {
        "data": {"values": [{}]},
        "mark": {**mark, "text": text, "color": colour, **look},
        "encoding": {"x": {"value": x}, "y": {"value": y}},
    }
