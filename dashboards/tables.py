"""Small drawings inside table cells."""

from dataclasses import dataclass

GLYPH_WIDTH, GLYPH_MARGIN = 96, 5


@dataclass(frozen=True)
class IntervalGlyph:
    """A dot on a line, in pixels from the left of a strip `GLYPH_WIDTH` wide."""

    dot: float
    low: float
    high: float
    words: str
    width: int = GLYPH_WIDTH


def interval_glyph(
    value: float | None, low: float | None, high: float | None
) -> IntervalGlyph | None:
    """A share in [0, 1] with its interval; None where there is no share."""
    if value is None:
        return None
    dot, left, right = (
        _pixel(value),
        _pixel(value if low is None else low),
        _pixel(value if high is None else high),
    )
    words = f"{100 * value:.0f} %"
    if low is not None and high is not None:
        words += f", 95 % interval {100 * low:.0f} to {100 * high:.0f} %"
    return IntervalGlyph(dot, left, right, words)


def _pixel(share: float) -> float:
    inner = GLYPH_WIDTH - 2 * GLYPH_MARGIN
    return round(GLYPH_MARGIN + inner * min(max(share, 0.0), 1.0), 1)
