"""The part of a study's page that compares its optimizers with one of them."""

from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from dashboards.charts import differences as charts
from dashboards.charts.theme import PAGE, Spec, Theme
from dashboards.difference_verdict import NAMES, bare, honesty, interval, unit, verdict
from service.comparison.model import Comparison
from service.heatmaps.model import StudyResults

Draw = Callable[[Spec], Markup]


def difference_context(
    found: Comparison | None, results: StudyResults, draw: Draw, theme: Theme = PAGE
) -> dict[str, Any]:
    """Return what the template needs; a chart is drawn where it asks.

    Args:
        found: The comparison, None where there is nothing to compare.
        results: Of the same study, all optimizers of which can be chosen.
        draw: Turns a specification into a picture.
        theme: Of the pictures.
    """
    if found is None:
        return {"difference": None}
    return {
        "difference": found,
        "references": [(one.optimizer, one.title) for one in results.heatmaps],
        "difference_key": charts.key(found),
        "difference_ramp": charts.captions(found),
        "difference_verdict": verdict(found),
        "difference_honesty": honesty(found),
        "measure_names": NAMES,
        "amount_of": lambda measure: bare(measure.measure, measure.difference, found.metric),
        "unit_of": lambda name: unit(name, found.metric),
        "interval_of": lambda measure: interval(measure, found.metric),
        "describe_difference": lambda cell: charts.brief(cell, found),
        "draw_difference": lambda one: draw(charts.difference(one, found, theme=theme)),
    }
