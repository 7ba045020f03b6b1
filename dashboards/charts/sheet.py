"""Panels beside each other under a title and one legend, for files and papers."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from dashboards.charts.grid import OnRates, grid
from dashboards.charts.theme import VEGA_LITE, Spec, Theme, config, drawable

COLUMNS_MAX = 3
LEGEND_HEIGHT = 12


class Titled(OnRates, Protocol):
    """What a panel shows: values on rates, of something with a title."""

    @property
    def title(self) -> str:
        """What stands above the panel."""
        ...


Shown = TypeVar("Shown", bound=Titled)


def columns_for(panels: int) -> int:
    """How many panels stand in a row."""
    return min(COLUMNS_MAX, max(panels, 1))


def titled(shown: Sequence[Shown], panel: Callable[[Shown, bool, bool], Spec]) -> list[Spec]:
    """The panels of a sheet.

    Args:
        shown: What each panel shows.
        panel: Draws one, with a title below and a title beside its axes or without.
    """
    total, columns = len(shown), columns_for(len(shown))
    return [
        _titled(one, panel(one, place + columns >= total, place % columns == 0))
        for place, one in enumerate(shown)
    ]


def _titled(one: Titled, part: Spec) -> Spec:
    """A panel that shares a figure: its layers lose their names, which would have to be unique in
    the figure, or Vega-Lite would draw the first panel's data in every panel."""
    for layer in part["layer"]:
        layer.pop("name", None)
    limit = max(grid(one).width, 160)
    return part | {"title": {"text": drawable(one.title), "limit": limit, "offset": 8}}


def sheet(
    panels: Sequence[Spec], legend: Spec, *, columns: int, title: str, subtitle: str, theme: Theme
) -> Spec:
    """The panels, up to three in a row, under a title and the legend they share."""
    return {
        "$schema": VEGA_LITE,
        "description": f"{title}: {subtitle}",
        "background": theme.background,
        "padding": 16,
        "config": config(theme) | {"concat": {"spacing": 22}},
        "title": {
            "text": drawable(title),
            "subtitle": subtitle,
            "fontSize": 16,
            "subtitleFontSize": 12,
            "subtitleColor": theme.muted,
            "subtitlePadding": 6,
            "offset": 14,
            "limit": 900,
        },
        "vconcat": [legend, {"concat": panels, "columns": columns, "align": "none"}],
        "spacing": 18,
    }


def caption(words: str, x: float, align: str, theme: Theme) -> Spec:
    """Words in a legend, at a place in pixels from the left."""
    mark = {"type": "text", "text": words, "align": align, "baseline": "middle", "aria": False}
    return {
        "data": {"values": [{}]},
        "mark": {**mark, "color": theme.muted},
        "encoding": {"x": {"value": x}, "y": {"value": LEGEND_HEIGHT / 2}},
    }
