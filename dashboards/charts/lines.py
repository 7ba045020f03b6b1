"""Lines that are named at their ends: what charts of them share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.charts.labels import spread
from dashboards.charts.theme import Spec, Theme

PLOT_WIDTH, LABEL_GAP, LEADER = 262, 14, 16
LABEL_ROOM = 136
"""Pixels right of the plot for the names of the lines."""
LABEL_LIMIT = 0.87 * (LABEL_ROOM - LEADER - 4)
"""A page's own font may be wider than the one that lengths are measured in."""
DASHES = ([1, 0], [5, 3], [2, 2])
"""A second and third round through the colours are dashed."""


@dataclass(frozen=True)
class Look:
    """How one optimizer's line is drawn; it keeps its look while others come and go."""

    colour: str
    dash: list[int]


@dataclass(frozen=True)
class End:
    """Where a line ends, and what it is called."""

    title: str
    value: float
    look: Look


def looks(names: Iterable[str], theme: Theme) -> dict[str, Look]:
    """Give every name a colour, and a dash where there are more names than colours."""
    return {
        name: Look(
            theme.lines[index % len(theme.lines)],
            DASHES[index // len(theme.lines) % len(DASHES)],
        )
        for index, name in enumerate(dict.fromkeys(names))
    }


def end_labels(ends: Sequence[End], bounds: tuple[float, float], height: int) -> list[Spec]:
    """Names right of the plot, each led to by a short line in the colour of its curve.

    Pixels, not scores, keep the names apart, so they are placed here and handed over as values.
    """
    low, high = bounds
    pixels = [height * (high - end.value) / (high - low) for end in ends]
    pixels = [min(max(pixel, 0.0), float(height)) for pixel in pixels]
    layers: list[Spec] = []
    for end, pixel, y in zip(ends, pixels, spread(pixels, LABEL_GAP, 0, height), strict=True):
        one: dict[str, Any] = {"data": {"values": [{}]}}
        leader = {"type": "rule", "aria": False, "stroke": end.look.colour}
        at = {"x": {"value": PLOT_WIDTH + 3}, "y": {"value": pixel}}
        to = {"x2": {"value": PLOT_WIDTH + LEADER}, "y2": {"value": y}}
        layers.append({**one, "mark": {**leader, "strokeWidth": 1.25}, "encoding": at | to})
        name = {"type": "text", "align": "left", "baseline": "middle", "aria": False}
        layers.append(
            {
                **one,
                "mark": {**name, "text": end.title, "limit": LABEL_LIMIT},
                "encoding": {"x": {"value": PLOT_WIDTH + LEADER + 4}, "y": {"value": y}},
            }
        )
    return layers
