"""Which glyphs a study's maps use, and the words for them: one list for pages and figures."""

from enum import StrEnum

from dashboards import formatting
from service.heatmaps.model import CellState, StudyResults


class Glyph(StrEnum):
    """A glyph of a heatmap."""

    BEST = "best"
    TOLERANCE = "tolerance"
    DIVERGED = "diverged"
    FAILED = "failed"
    RUNNING = "running"
    PENDING = "pending"


def key(results: StudyResults) -> tuple[tuple[Glyph, str], ...]:
    """The glyphs that occur, each with its words, in the order of a legend."""
    cells = [cell for heatmap in results.heatmaps for cell in heatmap.cells.values()]
    states = {cell.state for cell in cells}
    untouched = any(cell.state is CellState.PENDING and cell.mean is None for cell in cells)
    tolerance = formatting.difference(results.tolerance, results.metric)
    glyphs = (
        (Glyph.BEST, "best", any(cell.best for cell in cells)),
        (Glyph.TOLERANCE, f"within {tolerance}", any(cell.within_tolerance for cell in cells)),
        (Glyph.DIVERGED, "diverged", any(cell.diverged for cell in cells)),
        (Glyph.FAILED, "failed", CellState.FAILED in states),
        (Glyph.RUNNING, "training", CellState.RUNNING in states),
        (Glyph.PENDING, "not started", untouched),
    )
    return tuple((glyph, words) for glyph, words, occurs in glyphs if occurs)
