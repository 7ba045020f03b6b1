"""Charts: pure functions from a study's results to a Vega-Lite specification."""

from dashboards.charts.curves import learning_curves
from dashboards.charts.differences import difference
from dashboards.charts.differences import figure as difference_figure
from dashboards.charts.figure import heatmaps
from dashboards.charts.heatmap import heatmap
from dashboards.charts.theme import DARK, LIGHT, PAGE, Theme

__all__ = [
    "DARK",
    "LIGHT",
    "PAGE",
    "Theme",
    "difference",
    "difference_figure",
    "heatmap",
    "heatmaps",
    "learning_curves",
]
