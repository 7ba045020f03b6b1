"""An axis over a range of values, in pixels: logarithmic or linear, 0 in a slot of its own."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

from dashboards.formatting import rate

SLOT = 22.0
"""Pixels of the slot of 0 on a logarithmic axis."""
MARGIN = 8.0
"""Pixels between the ends of the range and those of the axis."""


@dataclass(frozen=True)
class Span:
    """From `low` to `high` over `length` pixels."""

    low: float
    high: float
    length: float
    log: bool
    zero: bool
    """Whether a logarithmic axis has a slot for 0 before it."""

    @property
    def start(self) -> float:
        """Where the range begins, in pixels."""
        return MARGIN + (SLOT if self.zero else 0.0)

    def pixel(self, value: float) -> float:
        """Where a value lies; what is outside of the range, at its end."""
        if self.zero and value == 0:
            return MARGIN + SLOT / 4
        low, high, at = (self._scaled(one) for one in (self.low, self.high, value))
        share = (at - low) / (high - low) if high > low else 0.5
        room = self.length - MARGIN - self.start
        return round(self.start + room * min(max(share, 0.0), 1.0), 2)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Pixels and labels of round values, few enough to be read."""
        values = _powers(self.low, self.high, most) if self.log else ()
        if len(values) < 2:
            values = round_values(self.low, self.high, most)
        found = [
            (self.pixel(value), rate(value, digits=2) if self.log else f"{value:.3g}")
            for value in values
        ]
        return [(self.pixel(0.0), "0"), *found] if self.zero else found

    def _scaled(self, value: float) -> float:
        if not self.log:
            return value
        return log10(max(value, self.low))


def span(values: Iterable[float], length: float, *, log: bool, zero: bool = False) -> Span:
    """Return the axis over some values, of which those on a log scale are positive or 0."""
    found = list(values)
    positive = [value for value in found if value > 0] if log else found
    zero = zero or (log and len(positive) < len(found))
    if not positive:
        return Span(0.0, 1.0, length, log=False, zero=False)
    return Span(min(positive), max(positive), length, log=log, zero=zero)


def _powers(low: float, high: float, most: int) -> list[float]:
    first, last = ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9)
    step = max(1, ceil((last - first + 1) / most))
    return [10.0**power for power in range(first, last + 1) if (power - first) % step == 0]


def round_values(low: float, high: float, most: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten between two values, about `most`."""
    if high <= low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough * (1 - 1e-9))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]
