"""What a study's page says where it came out worse than the one that its schedule sent before."""

from typing import Any
from urllib.parse import urlencode

from dashboards import formatting
from dashboards.difference_verdict import bare
from service.comparison.model import MeasureName
from service.heatmaps.model import MetricView, StudyResults
from service.schedules.model import Decline, Regression


def regression_context(
    found: Regression | None, study_id: str, results: StudyResults
) -> dict[str, Any]:
    """Return what the template needs.

    Args:
        found: What came out worse; None where nothing did.
        study_id: The study.
        results: Of it.
    """
    if found is None:
        return {"regression": None}
    titles = {one.optimizer: one.title for one in results.heatmaps}
    before = found.before_id
    return {
        "regression": found,
        "declines": [
            (titles.get(one.optimizer, one.optimizer), figures(one, results.metric))
            for one in found.optimizers
        ],
        "beside": before and urlencode([("study", before), ("study", study_id)]),
    }


def figures(one: Decline, metric: MetricView) -> str:
    """``−1.1 points (95 % interval −1.2 to −1, p 0.016)``."""
    said = []
    if one.low is not None and one.high is not None:
        low, high = (bare(MeasureName.BEST, end, metric) for end in (one.low, one.high))
        said.append(f"95\N{NO-BREAK SPACE}% interval {low} to {high}")
    if one.p_adjusted is not None:
        said.append(f"p {one.p_adjusted:.2g}")
    amount = formatting.change(one.difference, metric)
    return f"{amount} ({', '.join(said)})" if said else amount
