"""What a metric can be, and the colours for it: pure."""

from collections.abc import Sequence

from service.heatmaps.model import MetricView

POINTS = 0.10
"""Height of the colour domain: ten points of a metric in per cent, else a tenth of the way from the
best down to chance."""


def colour_domain(means: Sequence[float], metric: MetricView) -> tuple[float, float] | None:
    """Return the ends of a scale of colours: ten points down from the best (up, if less is better).

    None where there is no score.
    """
    if not means:
        return None
    best = max(means) if metric.maximize else min(means)
    span = 1.0 if metric.percent else abs(metric.chance - best)
    height = POINTS * span or 1.0
    low, high = (best - height, best) if metric.maximize else (best, best + height)
    return possible(low, high, metric)


def possible(low: float, high: float, metric: MetricView) -> tuple[float, float]:
    """Keep an interval within what the metric can be: a share is in [0, 1]."""
    return (max(low, 0.0), min(high, 1.0)) if metric.percent else (low, high)
