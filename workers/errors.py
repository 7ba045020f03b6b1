"""What can go wrong in training, apart from divergence, which is a result."""


class WorkersError(Exception):
    """Root of this package's errors."""


class UnknownTaskError(WorkersError):
    """No task of that name is registered."""


class DuplicateTaskError(WorkersError):
    """A task of that name is registered already."""


class NotStackableError(WorkersError):
    """A model does something that has no stacked form."""


class DataMissingError(WorkersError):
    """A data set that a task needs is not here; the message says how to get it."""


class UnknownDataSetError(WorkersError):
    """No data set of that name is registered."""


class DuplicateDataSetError(WorkersError):
    """A data set of that name is registered already."""


class FetchError(WorkersError):
    """A data set could not be fetched; the message says why, and what else can be done."""


class PackTooLargeError(WorkersError):
    """The trials of a pack do not fit into memory together."""
