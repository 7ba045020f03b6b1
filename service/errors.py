"""Errors that a client may see. Each carries its HTTP status and its stable problem type."""

from http import HTTPStatus


class ServiceError(Exception):
    """Root of the service's errors.

    Args:
        detail: What is wrong, naming the value, and the way out.
        field: The request's field at fault, as a dotted path.
    """

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "internal"
    title = "Something went wrong in the service"

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class NotFoundError(ServiceError):
    """What the address names does not exist."""

    status = HTTPStatus.NOT_FOUND
    kind = "not-found"
    title = "Not found"


class InvalidRequestError(ServiceError):
    """The request is well-formed and says something impossible."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "invalid-request"
    title = "The request is not valid"


class ConflictError(ServiceError):
    """The request does not fit the state of what it names."""

    status = HTTPStatus.CONFLICT
    kind = "conflict"
    title = "Not possible in the present state"


class PreconditionFailedError(ServiceError):
    """What was to be changed is no longer as the client last saw it."""

    status = HTTPStatus.PRECONDITION_FAILED
    kind = "precondition-failed"
    title = "It was changed meanwhile"


class IdempotencyKeyReusedError(ServiceError):
    """An `Idempotency-Key` was used before, for another request."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "idempotency-key-reused"
    title = "This Idempotency-Key belongs to another request"


class LeaseLostError(ServiceError):
    """Another runner holds the study now; nothing more may be written under the old lease."""

    kind = "lease-lost"
    title = "The lease was lost"
