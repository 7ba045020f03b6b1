"""Where the cells of a heatmap lie, in units of one cell, and the lines along their edges."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.heatmaps.model import Cell, Heatmap

ZERO_GAP = 0.25
"""Space between the slot of no decay and the log-spaced rest."""

PLOT_WIDTH, CELL_WIDTH_MAX = 284, 72
PLOT_HEIGHT_MIN, PLOT_HEIGHT_MAX, CELL_HEIGHT, CELL_HEIGHT_MIN = 78, 290, 26, 11


@dataclass(frozen=True)
class Slot:
    """The stretch of an axis that a row or column takes."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """Where its label and its marks sit."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, order=True)
class Segment:
    """A straight line along cell edges."""

    x: float
    y: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Grid:
    """The slots of every column and row, and the size of one cell in pixels."""

    columns: tuple[Slot, ...]
    rows: tuple[Slot, ...]
    cell_width: float
    cell_height: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.cell_width * self.columns[-1].high if self.columns else self.cell_width

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.cell_height * self.rows[-1].high if self.rows else self.cell_height


def slots(values: Sequence[float]) -> tuple[Slot, ...]:
    """One slot a value, each one unit long; a gap follows the slot of 0."""
    found: list[Slot] = []
    start = 0.0
    for value in values:
        found.append(Slot(start, start + 1))
        start += 1 + (ZERO_GAP if value == 0 and len(values) > 1 else 0)
    return tuple(found)


class OnRates(Protocol):
    """Whatever has a value for every learning rate and weight decay."""

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """Ascending."""
        ...

    @property
    def weight_decays(self) -> tuple[float, ...]:
        """Ascending."""
        ...


def grid(heatmap: OnRates) -> Grid:
    """Lay out a heatmap so that any grid, from one cell to hundreds, makes a legible panel."""
    columns, rows = slots(heatmap.learning_rates), slots(heatmap.weight_decays)
    across = columns[-1].high if columns else 1
    up = rows[-1].high if rows else 1
    height = min(max(up * CELL_HEIGHT, PLOT_HEIGHT_MIN), PLOT_HEIGHT_MAX)
    return Grid(
        columns=columns,
        rows=rows,
        cell_width=min(PLOT_WIDTH / across, CELL_WIDTH_MAX),
        cell_height=max(height / up, CELL_HEIGHT_MIN),
    )


def placed(heatmap: Heatmap, layout: Grid) -> Iterable[tuple[Cell, Slot, Slot]]:
    """Every cell with its column's and its row's slot, from the bottom left, row by row."""
    for decay, row in zip(heatmap.weight_decays, layout.rows, strict=True):
        for learning_rate, column in zip(heatmap.learning_rates, layout.columns, strict=True):
            yield heatmap.cells[learning_rate, decay], column, row


def outline(
    cells: Collection[tuple[int, int]], columns: Sequence[Slot], rows: Sequence[Slot]
) -> list[Segment]:
    """The border of a set of (column, row) cells, as the fewest straight lines.

    A cell's side belongs to the border unless the cell touching it there is in the set as well.
    Slots that do not touch (the one of no decay and its neighbour) are no neighbours.
    """
    inside = set(cells)
    upright: dict[float, list[tuple[float, float]]] = defaultdict(list)
    level: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for column, row in inside:
        across, up = columns[column], rows[row]
        for step, x in ((-1, across.low), (1, across.high)):
            if not ((column + step, row) in inside and _touch(columns, column, column + step)):
                upright[x].append((up.low, up.high))
        for step, y in ((-1, up.low), (1, up.high)):
            if not ((column, row + step) in inside and _touch(rows, row, row + step)):
                level[y].append((across.low, across.high))
    segments = [
        Segment(x, low, x, high) for x, runs in upright.items() for low, high in _joined(runs)
    ]
    segments += [
        Segment(low, y, high, y) for y, runs in level.items() for low, high in _joined(runs)
    ]
    return sorted(segments)


def _touch(slots: Sequence[Slot], one: int, other: int) -> bool:
    lower, upper = sorted((one, other))
    return slots[lower].high == slots[upper].low


def _joined(runs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Stretches of one line, with those that meet or coincide made one."""
    joined: list[tuple[float, float]] = []
    for low, high in sorted(runs):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def hatch(column: Slot, row: Slot, layout: Grid, spacing: float = 6) -> list[Segment]:
    """Diagonal lines across one cell, ``spacing`` pixels apart, ending on its edges."""
    width = (column.high - column.low) * layout.cell_width
    height = (row.high - row.low) * layout.cell_height
    lines: list[Segment] = []
    offset = spacing / 2 - height
    while offset < width:
        start, end = max(0.0, offset), min(width, height + offset)
        lines.append(
            Segment(
                column.low + start / layout.cell_width,
                row.low + (start - offset) / layout.cell_height,
                column.low + end / layout.cell_width,
                row.low + (end - offset) / layout.cell_height,
            )
        )
        offset += spacing
    return lines


def thinned(labels: Sequence[str], step_pixels: float, label_pixels: float) -> list[int]:
    """Which labels to show so that none touches the next: all, or every second, third, …"""
    if not labels:
        return []
    every = next(
        step
        for step in range(1, len(labels) + 1)
        if step * step_pixels >= label_pixels or step == len(labels)
    )
    return list(range(0, len(labels), every))
