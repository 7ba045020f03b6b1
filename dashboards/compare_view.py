"""The page that has studies beside one another."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from dashboards.charts import differences as charts
from dashboards.charts.theme import PAGE, Spec, Theme
from dashboards.difference_verdict import honesty
from service.comparison.model import Comparison
from service.comparison.studies import Across

Draw = Callable[[Spec], Markup]


def compare_context(found: Across, draw: Draw, theme: Theme = PAGE) -> dict[str, Any]:
    """Return what the template needs; a chart is drawn where it asks."""
    against = found.comparison
    return {
        "across": found,
        "metric": found.metric,
        "numbered": list(enumerate(zip(found.studies, found.results, strict=True), start=1)),
        "query": urlencode([("study", study.id) for study in found.studies]),
        "warning": warning(found),
        "honesty": honesty(against) if against else None,
        "key": charts.key(against) if against else (),
        "ramp": charts.captions(against) if against else None,
        "draw": lambda one: draw(charts.difference(one, _there(against), theme=theme)),
        "describe": lambda cell: charts.brief(cell, _there(against)),
    }


def warning(found: Across) -> str | None:
    """Say that differences may be due to something else than chance; None where nothing matters."""
    matters = [one.what for one in found.distinctions if one.matters]
    if not matters:
        return None
    *most, last = matters
    listed = f"{', '.join(most)} and {last}" if most else last
    return f"These studies differ in {listed}: what is seen below may be due to that as well."


def _there(against: Comparison | None) -> Comparison:
    assert against is not None  # noqa: S101 - the template draws only what there is
    return against
