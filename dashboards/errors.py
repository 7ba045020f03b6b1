"""What can go wrong while drawing."""


class DashboardError(Exception):
    """Root of this package's errors."""


class RenderingError(DashboardError):
    """A chart could not be turned into a picture."""
