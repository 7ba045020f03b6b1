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


class UnsupportedMediaTypeError(ServiceError):
    """The body is not of a kind that the route takes."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    kind = "unsupported-media-type"
    title = "Unsupported media type"


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


class KeyNeededError(ServiceError):
    """The request came without a key and needs one."""

    status = HTTPStatus.UNAUTHORIZED
    kind = "key-needed"
    title = "A key is needed"
    challenge = 'Bearer realm="lpwd"'
    """For `WWW-Authenticate`."""


class KeyInvalidError(KeyNeededError):
    """The request came with a key that opens nothing."""

    kind = "key-invalid"
    title = "This key opens nothing"
    challenge = 'Bearer realm="lpwd", error="invalid_token"'


class NotAllowedError(ServiceError):
    """The sender may not do this."""

    status = HTTPStatus.FORBIDDEN
    kind = "not-allowed"
    title = "Not allowed"


class MisdirectedError(ServiceError):
    """The request is for another host."""

    status = HTTPStatus.MISDIRECTED_REQUEST
    kind = "wrong-host"
    title = "This service does not go by that name"


class TooManyRequestsError(ServiceError):
    """The sender asks faster than it may."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    kind = "too-many-requests"
    title = "Too many requests"

    def __init__(self, detail: str, *, seconds: int) -> None:
        super().__init__(detail)
        self.seconds = seconds
        """Until there is room again."""


class TooManyStudiesError(ServiceError):
    """A key has as many unfinished studies as it may have at once."""

    status = HTTPStatus.CONFLICT
    kind = "too-many-studies"
    title = "Too many studies at once"


class LeaseLostError(ServiceError):
    """Another runner holds the study now; nothing more may be written under the old lease."""

    kind = "lease-lost"
    title = "The lease was lost"
