"""How a command ends: which errors are told in a line, and the exit status that goes with each."""

from enum import IntEnum

from service.client.errors import (
    ClientError,
    Forbidden,
    RateLimited,
    ServiceAway,
    Unauthorized,
    Unavailable,
)


class Status(IntEnum):
    """Exit statuses."""

    WELL = 0
    FAILED = 1
    """A study failed or was cancelled, a process could not start, or the like."""
    REFUSED = 2
    """The command line or the request is wrong; typer's own refusals have the same."""
    AWAY = 3
    """The service does not answer, or not now."""
    KEY = 4
    """A key is needed, or the one there is may not do this."""
    INTERRUPTED = 130


def status_of(error: Exception) -> Status | None:
    """Return the exit status of an error that people can act on; None for a bug of ours."""
    if isinstance(error, ServiceAway | Unavailable | RateLimited):
        return Status.AWAY
    if isinstance(error, Unauthorized | Forbidden):
        return Status.KEY
    if isinstance(error, ClientError):
        return Status.REFUSED
    return _of_this_machine(error)


def _of_this_machine(error: Exception) -> Status | None:
    """Likewise, for errors that come from no service."""
    from service.cli.processes import CannotStartError
    from service.db.backup import BackupError
    from service.errors import ServiceError
    from service.settings import SettingsError
    from service.study_file import StudyFileError
    from workers.errors import WorkersError

    if isinstance(error, StudyFileError | ServiceError):
        return Status.REFUSED
    if isinstance(error, CannotStartError | SettingsError | BackupError | WorkersError):
        return Status.FAILED
    return None
