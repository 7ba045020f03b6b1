"""The one colour scale that all panels of a study share: viridis, bright is better."""

from dashboards import formatting
from dashboards.charts.theme import Spec
from service.heatmaps.model import MetricView, StudyResults
from service.search.model import SearchResults

Coloured = StudyResults | SearchResults
"""Results that are shown in colours: they have a metric and a domain."""

UNKNOWN = (0.0, 1.0)
"""Stands in for the domain while nothing has finished."""

DARK_INK, LIGHT_INK = "#111418", "#ffffff"


def domain(results: Coloured) -> tuple[float, float]:
    """The scores at viridis's two ends, ascending; never empty."""
    low, high = sorted(results.domain or UNKNOWN)
    return (low, high) if high > low else (low - 0.5e-3, high + 0.5e-3)


def ends(results: Coloured) -> tuple[float, float]:
    """The scores at the dark and at the bright end."""
    low, high = domain(results)
    return (low, high) if results.metric.maximize else (high, low)


def viridis(results: Coloured) -> Spec:
    """The Vega-Lite scale."""
    low, high = domain(results)
    reverse = not results.metric.maximize
    return {"scheme": "viridis", "domain": [low, high], "clamp": True, "reverse": reverse}


def brightness(value: float, results: Coloured) -> float:
    """Where a score falls on the scale: 0 is its dark end, 1 its bright end."""
    dark, bright = ends(results)
    return min(max((value - dark) / (bright - dark), 0.0), 1.0)


def ink(value: float, results: Coloured) -> str:
    """The colour that is legible on a score's colour."""
    return DARK_INK if brightness(value, results) > 0.5 else LIGHT_INK


def captions(results: Coloured) -> tuple[str, str]:
    """What stands at the dark and the bright end; the dark end holds all that is worse too."""
    if results.domain is None:
        return "worse", "better"
    dark, bright = ends(results)
    sign = "≤" if results.metric.maximize else "≥"
    metric = results.metric
    return f"{sign} {_short(dark, metric)}", _short(bright, metric)


def _short(value: float, metric: MetricView) -> str:
    return f"{100 * value:.1f}{formatting.NBSP}%" if metric.percent else f"{value:.3g}"
