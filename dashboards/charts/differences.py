"""How much better or worse than a reference each cell is: blue and orange, even in the middle.

A ring marks what is significant, so that it does not rest on colour; × is where every seed of
either diverged, and a dot where nothing can be compared yet.
"""

from dashboards import formatting
from dashboards.charts.grid import Grid, grid
from dashboards.charts.heatmap import CROSS, alone, box, glyph_size, marks, on_grid
from dashboards.charts.sheet import LEGEND_HEIGHT, caption, columns_for, sheet, titled
from dashboards.charts.theme import Spec, Theme, diverging
from dashboards.formatting import rate
from service.comparison.model import CellDifference, Comparison, OptimizerDifference

RAMP_WIDTH, RAMP_STEPS, CHARACTER = 120, 61, 5.6


def difference(one: OptimizerDifference, results: Comparison, *, theme: Theme) -> Spec:
    """The panel of one optimizer, as wide as its heatmap."""
    return alone(_panel(one, results, theme), grid(one), summarise(one, results), theme)


def figure(results: Comparison, *, title: str, theme: Theme) -> Spec:
    """All panels as one figure with a legend, for files and papers."""
    panels = titled(
        results.optimizers,
        lambda one, x_title, y_title: _panel(one, results, theme, x_title=x_title, y_title=y_title),
    )
    return sheet(
        panels,
        _legend(results, theme),
        columns=columns_for(len(panels)),
        title=title,
        subtitle=subtitle(results),
        theme=theme,
    )


def subtitle(results: Comparison) -> str:
    """What the colours are, as a caption says it."""
    metric = results.metric
    return (
        f"{metric.split} {metric.name}, less that of {results.reference_title} on the same seeds; "
        f"mean of {formatting.count(results.seeds, 'seed')}"
    )


def captions(results: Comparison) -> tuple[str, str]:
    """What stands at the worse and at the better end."""
    size = formatting.difference(results.domain, results.metric)
    return f"{size} worse", f"{size} better"


def key(results: Comparison) -> tuple[tuple[str, str], ...]:
    """The glyphs that occur, each with its words."""
    cells = [cell for one in results.optimizers for cell in one.cells.values()]
    glyphs = (
        ("ring", "significant", any(cell.significant for cell in cells)),
        ("diverged", "either diverged", any(cell.diverged for cell in cells)),
        ("pending", "not known", any(cell.difference is None for cell in cells)),
    )
    return tuple((icon, words) for icon, words, occurs in glyphs if occurs)


def describe(cell: CellDifference, results: Comparison) -> str:
    """A cell as one sentence."""
    place = f"learning rate {rate(cell.learning_rate)}, weight decay {rate(cell.weight_decay)}: "
    return place + brief(cell, results)


def brief(cell: CellDifference, results: Comparison) -> str:
    """What came of a cell's comparison."""
    if cell.difference is None:
        return "nothing to compare yet"
    metric = results.metric
    words = [formatting.change(cell.difference, metric)]
    if cell.low is not None and cell.high is not None:
        ends = f"{formatting.change(cell.low, metric)} to {formatting.change(cell.high, metric)}"
        words.append(f"95{formatting.NBSP}% interval {ends}")
    words.append(formatting.count(cell.seeds, "shared seed"))
    if cell.significant:
        words.append("significant")
    if cell.diverged:
        words.append("either diverged")
    return ", ".join(words)


def summarise(one: OptimizerDifference, results: Comparison) -> str:
    """A panel in one sentence."""
    known = [cell for cell in one.cells.values() if cell.difference is not None]
    ahead = sum(cell.better is True for cell in known)
    behind = sum(cell.better is False for cell in known)
    return (
        f"{one.title} less {results.reference_title}: ahead in {ahead}, behind in {behind} of "
        f"{formatting.count(len(one.cells), 'cell')}"
    )


def _panel(
    one: OptimizerDifference,
    results: Comparison,
    theme: Theme,
    *,
    x_title: bool = True,
    y_title: bool = True,
) -> Spec:
    layout = grid(one)
    layers = [
        _cells(one, results, theme, layout),
        *_glyphs(one, theme, layout),
    ]
    return on_grid(layers, one, layout, x_title=x_title, y_title=y_title)


def _cells(one: OptimizerDifference, results: Comparison, theme: Theme, layout: Grid) -> Spec:
    values = [
        {
            **box(column.low, row.low, column.high, row.high),
            "colour": _colour(one.cells[learning_rate, decay], results, theme),
            "description": describe(one.cells[learning_rate, decay], results),
        }
        for decay, row in zip(one.weight_decays, layout.rows, strict=True)
        for learning_rate, column in zip(one.learning_rates, layout.columns, strict=True)
    ]
    layer = marks("cells", {"type": "rect", "stroke": theme.card}, values)
    layer["mark"]["ariaRoleDescription"] = "cell"
    layer["encoding"] |= {
        "x2": {"field": "x2"},
        "y2": {"field": "y2"},
        "description": {"field": "description"},
        "fill": {"field": "colour", "type": "nominal", "scale": None},
    }
    return layer


def _colour(cell: CellDifference, results: Comparison, theme: Theme) -> str:
    if cell.difference is None:
        return theme.card
    sign = 1 if results.metric.maximize else -1
    return diverging(sign * cell.difference / results.domain, theme)


def _glyphs(one: OptimizerDifference, theme: Theme, layout: Grid) -> list[Spec]:
    found: dict[str, list[dict[str, float]]] = {"significant": [], "diverged": [], "waiting": []}
    for decay, row in zip(one.weight_decays, layout.rows, strict=True):
        for learning_rate, column in zip(one.learning_rates, layout.columns, strict=True):
            cell = one.cells[learning_rate, decay]
            place = {"x": column.middle, "y": row.middle}
            if cell.difference is None:
                found["waiting"].append(place)
            elif cell.significant:
                found["significant"].append(place)
            elif cell.diverged:
                found["diverged"].append(place)
    size = glyph_size(layout, 70)
    line = {"type": "point", "filled": False, "opacity": 1, "strokeWidth": 1.5, "size": size}
    dot = {"type": "point", "shape": "circle", "filled": True, "opacity": 1, "size": 8}
    return [
        marks(
            "significant", {**line, "shape": "circle", "stroke": theme.ink}, found["significant"]
        ),
        marks("diverged", {**line, "shape": CROSS, "stroke": theme.ink}, found["diverged"]),
        marks("waiting", {**dot, "fill": theme.muted}, found["waiting"]),
    ]


def _legend(results: Comparison, theme: Theme) -> Spec:
    """A strip in pixel coordinates: the ramp with its ends, then a key to the glyphs in use."""
    worse, better = captions(results)
    start = 8 + CHARACTER * len(worse) + 6
    step = RAMP_WIDTH / RAMP_STEPS
    ramp = [
        {
            "x": start + place * step,
            "x2": start + (place + 1) * step + (0.5 if place < RAMP_STEPS - 1 else 0),
            "colour": diverging(2 * (place + 0.5) / RAMP_STEPS - 1, theme),
        }
        for place in range(RAMP_STEPS)
    ]
    pixels = {"type": "quantitative", "scale": None, "axis": None}
    middle = {"y": {"value": LEGEND_HEIGHT / 2}}
    layers: list[Spec] = [
        {
            "data": {"values": ramp},
            "mark": {"type": "rect", "height": LEGEND_HEIGHT, "aria": False, "strokeWidth": 0},
            "encoding": {
                "x": {"field": "x", **pixels},
                "x2": {"field": "x2"},
                **middle,
                "fill": {"field": "colour", "type": "nominal", "scale": None},
            },
        },
        caption(worse, start - 6, "right", theme),
        caption(better, start + RAMP_WIDTH + 6, "left", theme),
    ]
    x = start + RAMP_WIDTH + 30 + CHARACTER * len(better)
    shapes = {
        "ring": {"shape": "circle", "filled": False, "stroke": theme.ink, "size": 60},
        "diverged": {"shape": CROSS, "filled": False, "stroke": theme.ink, "size": 50},
        "pending": {"shape": "circle", "filled": True, "fill": theme.muted, "size": 8},
    }
    for glyph, words in key(results):
        layers.append(
            {
                "data": {"values": [{}]},
                "mark": {"type": "point", "opacity": 1, "aria": False, **shapes[glyph]},
                "encoding": {"x": {"value": x}, **middle},
            }
        )
        layers.append(caption(words, x + 11, "left", theme))
        x += 30 + CHARACTER * len(words)
    return {"width": round(x), "height": LEGEND_HEIGHT, "layer": layers}
