"""Colours and type of a chart: one theme for pages, two for files."""

from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]
"""A Vega-Lite specification, or a part of one."""

VEGA_LITE = "https://vega.github.io/schema/vega-lite/v5.json"

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""A list without a generic family at its end renders blank where the font is missing."""


@dataclass(frozen=True)
class Theme:
    """Every colour that a chart uses besides viridis. ``var(…)`` follows the page's own colours."""

    background: str | None
    card: str
    """What lies behind the marks, and the hairlines between cells."""
    ink: str
    muted: str
    hairline: str
    diverged: str
    """Fill of a cell whose every seed diverged."""
    worse: str
    """Ends of the scale of differences, orange and blue, and its middle."""
    even: str
    better: str
    lines: tuple[str, ...]
    """Eight line colours: Okabe and Ito's, safe for colour-blind readers."""


OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

LIGHT = Theme(
    background="#ffffff",
    card="#ffffff",
    ink="#111418",
    muted="#5b6472",
    hairline="#e3e6eb",
    diverged="#e4e6ea",
    worse="#b35806",
    even="#f1f2f4",
    better="#1f6fb5",
    lines=(*OKABE_ITO, "#b8ac00", "#000000"),
)
DARK = Theme(
    background="#14181f",
    card="#14181f",
    ink="#f2f4f8",
    muted="#9aa5b4",
    hairline="#2b323d",
    diverged="#39414d",
    worse="#f2994a",
    even="#252b35",
    better="#5aa9f5",
    lines=("#3d9be0", "#f07b29", "#1fbf92", "#dd90ba", "#f0b429", "#7cc7f2", "#f0e442", "#ffffff"),
)
PAGE = Theme(
    background=None,
    card="var(--card)",
    ink="var(--ink)",
    muted="var(--muted)",
    hairline="var(--hairline)",
    diverged="var(--diverged)",
    worse="var(--worse)",
    even="var(--even)",
    better="var(--better)",
    lines=tuple(f"var(--line-{index})" for index in range(1, 9)),
)


def drawable(text: str) -> str:
    """Text for a title that may be cut: without characters of two code units, such as emoji.

    Vega would cut one in the middle, and then nothing could be drawn. No font has them anyway.
    """
    return "".join(one if ord(one) < 0x10000 else "\N{WHITE SQUARE}" for one in text)


def diverging(share: float, theme: Theme) -> str:
    """The colour of a difference: -1 is as much worse as the scale shows, 0 even, 1 better."""
    end, part = (theme.better if share > 0 else theme.worse), min(abs(share), 1.0)
    if end.startswith("var("):
        return f"color-mix(in srgb, {end} {100 * part:.1f}%, {theme.even})"
    channels = (
        (int(one[at : at + 2], 16), int(other[at : at + 2], 16))
        for one, other in [(end, theme.even)]
        for at in (1, 3, 5)
    )
    return "#" + "".join(f"{round(part * a + (1 - part) * b):02x}" for a, b in channels)


def config(theme: Theme) -> Spec:
    """The part of a specification that says how text, axes and views look."""
    return {
        "font": FONT,
        "view": {"stroke": None},
        "text": {"color": theme.ink, "fontSize": 11},
        "title": {"color": theme.ink, "fontSize": 13, "fontWeight": 600, "anchor": "start"},
        "axis": {
            "domain": False,
            "ticks": False,
            "grid": False,
            "aria": False,
            "labelColor": theme.muted,
            "labelFontSize": 11,
            "labelPadding": 5,
            "titleColor": theme.muted,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "gridColor": theme.hairline,
        },
    }
