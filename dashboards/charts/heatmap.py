"""One optimizer's panel: a cell for every learning rate and weight decay, never interpolated.

Colour is the mean over seeds. Everything else about a cell is a glyph, so that no state rests on
colour alone: × diverged, hatching failed, a dot not yet started, a ringed dot training, a ringed
disc the best. The line runs around the cells within the tolerance of the best.
"""

import json
from collections.abc import Sequence
from typing import Any

from dashboards.charts import scale, wording
from dashboards.charts.grid import (
    Grid,
    OnRates,
    Segment,
    Slot,
    grid,
    hatch,
    outline,
    placed,
    thinned,
)
from dashboards.charts.theme import VEGA_LITE, Spec, Theme, config
from dashboards.formatting import rate
from service.heatmaps.model import Cell, CellState, Heatmap, StudyResults

PANEL_WIDTH, LEFT, TOP, BOTTOM = 346, 56, 4, 40
LABEL_HEIGHT, CHARACTER = 13, 6.5

CROSS = "M-1,-1L1,1M-1,1L1,-1"
SMALL_CROSS_BELOW = 18
"""A cell narrower or lower than this many pixels takes smaller glyphs."""


def heatmap(heatmap: Heatmap, results: StudyResults, *, theme: Theme) -> Spec:
    """The panel of one optimizer, always `PANEL_WIDTH` pixels wide, without a title."""
    return alone(
        panel(heatmap, results, theme),
        grid(heatmap),
        wording.summarise(heatmap, results.metric),
        theme,
    )


def alone(part: Spec, layout: Grid, description: str, theme: Theme) -> Spec:
    """A panel as a specification of its own, `PANEL_WIDTH` pixels wide."""
    right = PANEL_WIDTH - LEFT - layout.width
    return {
        "$schema": VEGA_LITE,
        "description": description,
        "background": theme.background,
        "autosize": {"type": "none"},
        "padding": {"left": LEFT, "right": right, "top": TOP, "bottom": BOTTOM},
        "config": config(theme),
        **part,
    }


def panel(
    heatmap: Heatmap,
    results: StudyResults,
    theme: Theme,
    *,
    x_title: bool = True,
    y_title: bool = True,
) -> Spec:
    """A panel as a part of a specification: its size, axes and layers.

    A layer's name becomes the class of its group in the SVG, ``cells_marks`` for instance.
    """
    layout = grid(heatmap)
    layers = [
        _cells(heatmap, results, theme, layout),
        *_crosses(heatmap, results, theme, layout),
        _hatching(heatmap, results, theme, layout),
        *_waiting(heatmap, results, theme, layout),
        *_tolerance(heatmap, theme, layout),
        *_best(heatmap, layout),
    ]
    return on_grid(layers, heatmap, layout, x_title=x_title, y_title=y_title)


def on_grid(
    layers: Sequence[Spec], rates: OnRates, layout: Grid, *, x_title: bool, y_title: bool
) -> Spec:
    """Put layers of marks, those that have any, on the axes of a panel."""
    layers = [layer for layer in layers if layer["data"]["values"]]
    axes = {
        "x": _slot_axis(rates.learning_rates, layout.columns, layout.cell_width)
        | {"title": "learning rate" if x_title else None},
        "y": _slot_axis(rates.weight_decays, layout.rows, layout.cell_height, LABEL_HEIGHT)
        | {"title": "weight decay" if y_title else None, "minExtent": 37, "maxExtent": 37},
    }
    ends = {"x": _axis_end(layout.columns), "y": _axis_end(layout.rows)}
    for layer in layers:
        for channel, axis in axes.items():
            layer["encoding"][channel] |= {
                "axis": axis,
                "scale": {"domain": [0, ends[channel]], "nice": False, "zero": False},
            }
    return {
        "width": round(layout.width, 2),
        "height": round(layout.height, 2),
        "layer": layers or [{"data": {"values": []}, "mark": "point"}],
    }


def _cells(heatmap: Heatmap, results: StudyResults, theme: Theme, layout: Grid) -> Spec:
    values = [
        {
            **box(column.low, row.low, column.high, row.high),
            "score": cell.mean if _coloured(cell) else None,
            "diverged": cell.state is CellState.DIVERGED,
            "description": wording.describe(cell, results.metric),
        }
        for cell, column, row in placed(heatmap, layout)
    ]
    layer = marks("cells", {"type": "rect", "invalid": "show", "stroke": theme.card}, values)
    layer["mark"]["ariaRoleDescription"] = "cell"
    layer["encoding"] |= {
        "x2": {"field": "x2"},
        "y2": {"field": "y2"},
        "description": {"field": "description"},
        "color": {
            "field": "score",
            "type": "quantitative",
            "legend": None,
            "scale": scale.viridis(results),
            "condition": [
                {"test": "datum.diverged", "value": theme.diverged},
                {"test": "datum.score === null", "value": theme.card},
            ],
        },
    }
    return layer


def _crosses(heatmap: Heatmap, results: StudyResults, theme: Theme, layout: Grid) -> list[Spec]:
    """A cross in the middle where every seed diverged, a small one in the corner where some did."""
    size = glyph_size(layout, 70)
    all_of_them = [
        {"x": column.middle, "y": row.middle}
        for cell, column, row in placed(heatmap, layout)
        if cell.state is CellState.DIVERGED
    ]
    inset = 6 if roomy(layout) else 3.5
    some = [
        {
            "x": column.high - inset / layout.cell_width,
            "y": row.high - inset / layout.cell_height,
            "ink": scale.ink(cell.mean, results),
        }
        for cell, column, row in placed(heatmap, layout)
        if cell.diverged and cell.mean is not None and cell.state is not CellState.DIVERGED
    ]
    mark = {"type": "point", "shape": CROSS, "filled": False, "strokeWidth": 1.25, "opacity": 1}
    partial = marks("partly_diverged", {**mark, "size": glyph_size(layout, 28)}, some)
    partial["encoding"]["stroke"] = {"field": "ink", "type": "nominal", "scale": None}
    return [
        marks("diverged", {**mark, "size": size, "stroke": theme.muted}, all_of_them),
        partial,
    ]


def _hatching(heatmap: Heatmap, results: StudyResults, theme: Theme, layout: Grid) -> Spec:
    values = [
        {
            **_line(line),
            "ink": scale.ink(cell.mean, results)
            if cell.mean is not None and _coloured(cell)
            else theme.muted,
        }
        for cell, column, row in placed(heatmap, layout)
        if cell.state is CellState.FAILED
        for line in hatch(column, row, layout)
    ]
    layer = _rules("failed", {"strokeWidth": 1, "opacity": 0.7}, values)
    layer["encoding"]["stroke"] = {"field": "ink", "type": "nominal", "scale": None}
    return layer


def _waiting(heatmap: Heatmap, results: StudyResults, theme: Theme, layout: Grid) -> list[Spec]:
    """A dot in cells without a result, and in those that train, with a ring that a page pulses.

    A cell with some of its seeds is coloured like any other: its words count them.
    """

    def points(*states: CellState) -> list[dict[str, Any]]:
        return [
            {
                "x": column.middle,
                "y": row.middle,
                "ink": theme.muted if cell.mean is None else scale.ink(cell.mean, results),
            }
            for cell, column, row in placed(heatmap, layout)
            if cell.state in states and not cell.best
            if cell.mean is None or cell.state is CellState.RUNNING
        ]

    colour = {"field": "ink", "type": "nominal", "scale": None}
    dot = {"type": "point", "shape": "circle", "filled": True, "opacity": 1, "size": 8}
    dots = marks("waiting", dot, points(CellState.PENDING, CellState.RUNNING))
    dots["encoding"]["fill"] = colour
    ring = {**dot, "filled": False, "strokeWidth": 1.25, "size": glyph_size(layout, 70)}
    rings = marks("running", ring, points(CellState.RUNNING))
    rings["encoding"]["stroke"] = colour
    return [dots, rings]


def _tolerance(heatmap: Heatmap, theme: Theme, layout: Grid) -> list[Spec]:
    """The border of the tolerance set, on a halo that parts it from cells of any brightness."""
    inside = [
        (column, row)
        for row, decay in enumerate(heatmap.weight_decays)
        for column, learning_rate in enumerate(heatmap.learning_rates)
        if heatmap.cells[learning_rate, decay].within_tolerance
    ]
    values = [_line(line) for line in outline(inside, layout.columns, layout.rows)]
    line = {"strokeCap": "square"}
    return [
        _rules("tolerance_halo", {**line, "strokeWidth": 4, "stroke": theme.card}, values),
        _rules("tolerance", {**line, "strokeWidth": 2, "stroke": theme.ink}, values),
    ]


def _best(heatmap: Heatmap, layout: Grid) -> list[Spec]:
    values = [
        {"x": column.middle, "y": row.middle}
        for cell, column, row in placed(heatmap, layout)
        if cell.best
    ]
    mark = {"type": "point", "shape": "circle", "filled": True, "opacity": 1, "size": 75}
    disc = {**mark, "fill": "#000000", "stroke": "#ffffff", "strokeWidth": 2}
    return [marks("best", disc, values)]


def _coloured(cell: Cell) -> bool:
    return cell.mean is not None and cell.state is not CellState.DIVERGED


def roomy(layout: Grid) -> bool:
    """Whether cells have room for glyphs of full size."""
    return min(layout.cell_width, layout.cell_height) >= SMALL_CROSS_BELOW


def glyph_size(layout: Grid, size: float) -> float:
    """A glyph's area in square pixels, less where cells are small."""
    return size if roomy(layout) else size / 3


def box(x: float, y: float, x2: float, y2: float) -> dict[str, Any]:
    """A rectangle or a line as the values of a mark."""
    return {"x": x, "y": y, "x2": x2, "y2": y2}


def _line(segment: Segment) -> dict[str, Any]:
    return box(segment.x, segment.y, segment.x2, segment.y2)


def marks(name: str, mark: Spec, values: list[dict[str, Any]]) -> Spec:
    """A layer whose marks sit at data fields x and y. Only the cells are read aloud."""
    return {
        "name": name,
        "data": {"values": values},
        "mark": {"aria": name == "cells", **mark},
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "y": {"field": "y", "type": "quantitative"},
        },
    }


def _rules(name: str, mark: Spec, values: list[dict[str, Any]]) -> Spec:
    layer = marks(name, {"type": "rule", **mark}, values)
    layer["encoding"] |= {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
    return layer


def _slot_axis(
    values: Sequence[float], slots: Sequence[Slot], step: float, room: float | None = None
) -> Spec:
    """Labels in the middle of the slots, as many as fit where each takes ``room`` pixels (without
    it, the length of the longest).

    Every layer gets the same axis: Vega-Lite drops it where a layer disagrees.
    """
    labels = [rate(value, digits=2) for value in values]
    room = room or CHARACTER * (1 + max(map(len, labels), default=0))
    shown = [slots[index].middle for index in thinned(labels, step, room)]
    texts = {slot.middle: label for slot, label in zip(slots, labels, strict=True)}
    return {
        "values": shown,
        "labelExpr": f"{json.dumps(texts)}[datum.value]",
        "labelOverlap": False,
    }


def _axis_end(slots: Sequence[Slot]) -> float:
    return slots[-1].high if slots else 1.0
