"""Numbers and times as people read them. One place, so that charts, tables and sentences agree."""

from datetime import datetime, timedelta

from service.heatmaps.model import MetricView
from workers.contracts import NumericMode

NBSP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
MINUTE, HOUR, DAY = 60, 3600, 86400


def rate(value: float, digits: int = 3) -> str:
    """A learning rate or weight decay: ``3e-4``, ``1.5e-3``, ``1e-1``, ``1``, ``0``."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa if int(exponent) == 0 else f"{mantissa}e{int(exponent)}"


def score(value: float | None, metric: MetricView) -> str:
    """A score with its unit: ``93.72 %`` where the metric is a share, else four digits."""
    if value is None:
        return "–"
    return f"{100 * value:.2f}{NBSP}%" if metric.percent else f"{value:.4g}"


def interval(low: float | None, high: float | None, metric: MetricView) -> str:
    """An interval without its unit repeated: ``92.1–94.0 %``."""
    if low is None or high is None:
        return "–"
    if metric.percent:
        dash = "–" if low >= 0 else " to "
        return f"{100 * low:.1f}{dash}{100 * high:.1f}{NBSP}%"
    return f"{low:.4g} to {high:.4g}"


def difference(value: float, metric: MetricView) -> str:
    """A distance between two scores: ``1 point``, ``0.31 points``, or the metric's own unit."""
    if not metric.percent:
        return f"{value:.3g}"
    points = f"{100 * value:.2f}".rstrip("0").rstrip(".")
    if points == "0" and value > 0:
        return "less than 0.01 points"
    return f"{points} point" if points == "1" else f"{points} points"


def change(value: float, metric: MetricView) -> str:
    """A difference with its sign: ``+0.31 points``, ``−1 point``, ``+0.012``, ``0``."""
    if abs(value) < 5e-5 * (1 if metric.percent else 1e-4):
        return "0"
    return f"{'+' if value > 0 else MINUS}{difference(abs(value), metric)}"


def share(value: float | None) -> str:
    """A share in [0, 1] in whole per cent."""
    return "–" if value is None else f"{100 * value:.0f}{NBSP}%"


def width(decades: float | None, is_bound: bool) -> str:
    """A tolerance width; ``≥`` says that the grid ended before the tolerance did."""
    return "–" if decades is None else f"{'≥ ' if is_bound else ''}{decades:.2f}"


def count(number: int, noun: str) -> str:
    """``1 seed``, ``3 seeds``, ``1,050 trials``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """A rough length of time in its largest units: ``45 s``, ``3 min``, ``2 h 5 min``, ``3 d``."""
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    minutes = round(whole / MINUTE)
    if minutes < HOUR / MINUTE:
        return f"{minutes} min"
    if whole < DAY:
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(whole / DAY)} d"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, for instance ``3 min ago``; the date itself after thirty days."""
    passed = (now - moment) / timedelta(seconds=1)
    if passed > 30 * DAY:
        return f"{moment:%Y-%m-%d}"
    return "just now" if passed < 10 else f"{duration(passed)} ago"


def until(moment: datetime, now: datetime) -> str:
    """How long until something, for instance ``in 3 h``; the date itself beyond thirty days."""
    left = (moment - now) / timedelta(seconds=1)
    if left > 30 * DAY:
        return f"{moment:%Y-%m-%d}"
    return "now" if left < 1 else f"in {duration(left)}"


def numerics(mode: NumericMode) -> str:
    """Name a numeric mode by what differs from plain float32."""
    options = {
        "amp": mode.amp,
        "channels last": mode.channels_last,
        "compiled": mode.compile,
        "CUDA graphs": mode.cuda_graphs,
    }
    return ", ".join([mode.precision, *(name for name, on in options.items() if on)])
