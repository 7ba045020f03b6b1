"""Makes storage files, one at a time."""

import threading
from collections.abc import Sequence
from http import HTTPStatus

from service.child_process import ChildLostError, ChildProcess
from service.errors import ServiceError
from service.search.storage_file import ExportedStudy, export

LONGEST = 600.0
"""Seconds that a file may take."""

_one_at_a_time = threading.Lock()


class ExportError(ServiceError):
    """A storage file could not be made."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "export-failed"
    title = "The storage file could not be made"


def storage_file(studies: Sequence[ExportedStudy]) -> bytes:
    """Return an Optuna storage, as `service.search.storage_file.export` makes it.

    Raises:
        ExportError: It took too long, or memory ran out.
    """
    with _one_at_a_time, ChildProcess() as child:
        try:
            return child.call(export, list(studies), seconds=LONGEST)
        except ChildLostError as error:
            raise ExportError(f"{error}; the points are at `points`, too") from error
