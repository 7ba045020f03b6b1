"""What is wrong with an archive."""

from http import HTTPStatus

from service.errors import ServiceError


class ArchiveRefusedError(ServiceError):
    """A file is no archive, was changed or cut short, or holds what cannot be."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "archive-refused"
    title = "This archive cannot be imported"


class ArchiveTooSlowError(ServiceError):
    """A file has not come in time."""

    status = HTTPStatus.REQUEST_TIMEOUT
    kind = "too-slow"
    title = "Too slow"


class ArchiveTooLargeError(ServiceError):
    """A file, or what it unpacks to, is larger than this installation takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    kind = "too-large"
    title = "Too large"
