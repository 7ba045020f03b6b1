"""What can go wrong in training, apart from divergence, which is a result."""


class WorkersError(Exception):
    """Root of this package's errors."""


class UnknownTaskError(WorkersError):
    """No task of that name is registered."""


class DuplicateTaskError(WorkersError):
    """A task of that name is registered already."""


class NotStackableError(WorkersError):
    """A model holds something that has no stacked form yet."""
