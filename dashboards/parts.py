"""The parts of a study page that are replaced one by one while it runs."""

from dashboards.charts.key import key
from service.heatmaps.model import StudyResults
from service.search.model import SearchResults
from service.studies.model import StudySummary

PANEL = "panel:"
"""Begins the name of an optimizer's panel; the optimizer's name follows."""

PLANE = "plane:"
"""Likewise, of an optimizer's points in a search."""

SEARCH_PARTS = ("header", "legend", "best", "trace", "importance", "facts")
"""The other parts of a search's page; but for the header, ``fragments/search/{name}.html``."""

PARTS = ("header", "legend", "robustness", "curves", "facts")
"""The other parts; each is a template ``fragments/{name}.html``."""


def all_parts(results: StudyResults) -> tuple[str, ...]:
    """Every part of a study's page."""
    return (*PARTS, *(PANEL + heatmap.optimizer for heatmap in results.heatmaps))


def search_parts(results: SearchResults) -> tuple[str, ...]:
    """Every part of a search's page."""
    return (*SEARCH_PARTS, *(PLANE + one.optimizer for one in results.optimizers))


def changed_parts(
    before: tuple[StudySummary, StudyResults] | None, after: tuple[StudySummary, StudyResults]
) -> tuple[str, ...]:
    """The parts that look different now; all of them where there is no before.

    A new colour domain changes every panel, since all share one scale.
    """
    study, results = after
    if before is None or before[1].metric != results.metric:
        return all_parts(results)
    old_study, old = before
    rescaled = (old.domain, old.tolerance) != (results.domain, results.tolerance)
    known = {heatmap.optimizer: heatmap for heatmap in old.heatmaps}
    changes = {
        "header": study != old_study,
        "legend": rescaled or key(old) != key(results),
        "robustness": (old.robustness, old.tolerance, old.seeds)
        != (results.robustness, results.tolerance, results.seeds),
        "curves": old.curves != results.curves,
        "facts": _facts(study) != _facts(old_study),
    }
    changes |= {
        PANEL + heatmap.optimizer: rescaled or known.get(heatmap.optimizer) != heatmap
        for heatmap in results.heatmaps
    }
    return tuple(name for name, changed in changes.items() if changed)


def _facts(study: StudySummary) -> tuple[object, ...]:
    return study.state, study.seeds, study.started_at, study.finished_at, study.device, study.trials
