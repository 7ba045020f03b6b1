"""What may go wrong between a client and the service. Every message is for people."""

from dataclasses import dataclass
from typing import Any


class ClientError(Exception):
    """Root of the client's errors."""


class ServiceAway(ClientError):
    """Nothing answers at the service's address, or the connection broke."""


class NotUnderstood(ClientError):
    """The service answered something that this client does not know."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a request."""

    field: str
    """Dotted path in the body, or the parameter's name; empty for the request as a whole."""
    detail: str


class Refused(ClientError):
    """The service answered with an error.

    Args:
        status: HTTP status.
        kind: The problem's stable name, without its prefix: ``not-found``, ``invalid-request``, ….
        title: The kind of problem, in words.
        detail: What is wrong, naming the value, and the way out.
        errors: What is wrong with which field.
        retry_after: Seconds after which it may be tried again, where the service said so.
        request_id: Name of the request in the service's log, where it has one.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        errors: tuple[Problem, ...] = (),
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after
        self.request_id = request_id
        super().__init__(_words(title, detail, errors))


class NotFound(Refused):
    """What was asked for does not exist."""


class Conflict(Refused):
    """It does not fit the present state of what it is about."""


class ChangedMeanwhile(Refused):
    """What was to be changed is no longer as it was when it was last read."""


class InvalidRequest(Refused):
    """Something in the request is wrong: `errors` says what, by the field."""


class Unauthorized(Refused):
    """A key is needed, or the one that was sent is not valid."""


class Forbidden(Refused):
    """The key's role does not allow it."""


class TooLarge(Refused):
    """The request is larger than the service takes."""


class RateLimited(Refused):
    """Too many requests; `retry_after` says when to try again."""


class Unavailable(Refused):
    """The service cannot serve at the moment: its database is away or full, or it is ending."""


_BY_KIND = {"not-found": NotFound, "conflict": Conflict, "invalid-request": InvalidRequest}
_BY_STATUS = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: ChangedMeanwhile,
    413: TooLarge,
    422: InvalidRequest,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
    507: Unavailable,
}
PREFIX = "urn:lpwd:problem:"


def refused(status: int, body: Any, *, text: str, retry_after: float | None) -> Refused:
    """Turn an answer that is not a success into an error.

    Args:
        status: HTTP status.
        body: What it holds, as JSON; None where that is none.
        text: What it holds, as text.
        retry_after: As the header says, in seconds.
    """
    if not isinstance(body, dict) or not isinstance(body.get("detail"), str):
        kind = _BY_STATUS.get(status, Refused)
        said = " ".join(text.split())[:300] or "without a word"
        return kind(status, "", f"the service answered {status}", said, retry_after=retry_after)
    name = str(body.get("type", "")).removeprefix(PREFIX)
    kind = _BY_KIND.get(name) or _BY_STATUS.get(status, Refused)
    errors = tuple(
        Problem(str(one.get("field", "")), str(one.get("detail", "")))
        for one in body.get("errors", [])
        if isinstance(one, dict)
    )
    return kind(
        status,
        name,
        str(body.get("title", status)),
        body["detail"],
        errors=errors,
        retry_after=retry_after,
        request_id=body.get("request_id"),
    )


def _words(title: str, detail: str, errors: tuple[Problem, ...]) -> str:
    if len(errors) <= 1:
        return f"{title}: {detail}"
    return "\n".join([f"{title}:", *(f"  {one.field}: {one.detail}" for one in errors)])
