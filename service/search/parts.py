"""The parts of a search's page, as events name them."""

SEARCH_SUMMARIES = ("header", "best", "trace", "importance")
"""What every point that ends changes, besides its optimizer's plane."""
PLANE = "plane:"
"""Begins the name of an optimizer's plane of points; its label follows."""


def plane(label: str) -> str:
    """Name the part of a page that shows one optimizer's points."""
    return PLANE + label
