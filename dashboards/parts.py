"""The parts of a study page that are replaced one by one while it runs."""

from service.heatmaps.model import StudyResults
from service.search.model import SearchResults

PANEL = "panel:"
"""Begins the name of an optimizer's panel; the optimizer's name follows."""

PLANE = "plane:"
"""Likewise, of an optimizer's points in a search."""

DIFFERENCE = "difference"
"""The part that compares a grid's optimizers with one of them."""

SEARCH_PARTS = ("header", "legend", "best", "trace", "importance", "facts")
"""The other parts of a search's page; but for the header, ``fragments/search/{name}.html``."""

PARTS = ("header", "legend", "robustness", "difference", "curves", "facts")
"""The other parts; each is a template ``fragments/{name}.html``."""


def all_parts(results: StudyResults) -> tuple[str, ...]:
    """Every part of a study's page."""
    return (*PARTS, *(PANEL + heatmap.optimizer for heatmap in results.heatmaps))


def search_parts(results: SearchResults) -> tuple[str, ...]:
    """Every part of a search's page."""
    return (*SEARCH_PARTS, *(PLANE + one.optimizer for one in results.optimizers))
