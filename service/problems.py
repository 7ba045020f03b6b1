"""Errors as RFC 9457 problem details."""

import errno
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from dashboards.errors import DashboardError
from dashboards.views import error_page
from service.db.trouble import Trouble, trouble
from service.errors import ServiceError
from service.request_log import request_id
from service.wording import said

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
PASSING = frozenset({Trouble.LOCKED, Trouble.UNREACHABLE})
"""Trouble that mostly ends by itself."""
UNREADABLE = "There was an error parsing the body"
"""What FastAPI says of one."""
RETRY_AFTER = 5
"""Seconds after which to try again then."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of a disk without room, or without what a user may have of it."""


class Violation(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Dotted path in the body, or the parameter's name.")
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="A stable name for the kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What is wrong, naming the value, and the way out.")
    instance: str = Field(description="The path that was asked for.")
    errors: list[Violation] = Field(description="What is wrong with which field.")
    request_id: str | None = Field(description="Names the request in the service's log.")


MEANING = {
    HTTPStatus.BAD_REQUEST: "The body cannot be read",
    HTTPStatus.UNAUTHORIZED: "A key is needed, and none came or it opens nothing",
    HTTPStatus.FORBIDDEN: "The key may not do this",
    HTTPStatus.NOT_FOUND: "Nothing has this address",
    HTTPStatus.REQUEST_TIMEOUT: "The body came too slowly",
    HTTPStatus.CONFLICT: "Not possible in the present state",
    HTTPStatus.PRECONDITION_FAILED: "It was changed since the ETag in `If-Match`",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The address is too long",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is packed, or not JSON",
    HTTPStatus.MISDIRECTED_REQUEST: "The service does not go by this name",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request is not valid",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests; `Retry-After` says when to go on",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers are too large",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database does not answer; nothing was changed",
    HTTPStatus.INSUFFICIENT_STORAGE: "There is no room left on a disk; nothing was changed",
}
OF_HEADS = (
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
)
"""What any request may be answered."""
OF_ACCESS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""Besides, where it matters who asks: keys are looked up in the database."""
OF_PARAMETERS = (HTTPStatus.UNPROCESSABLE_ENTITY,)
"""Besides, under the API: every route refuses parameters unknown to it."""
OF_BODIES = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
)
"""Besides, where there is a body."""
OF_CHANGES = (HTTPStatus.INSUFFICIENT_STORAGE,)
"""Besides, where something is written."""
OF_NAMES = (HTTPStatus.NOT_FOUND,)
"""Besides, where the path names something."""


def problems(*statuses: int, **meanings: str) -> dict[int | str, dict[str, Any]]:
    """Declare errors of a route, for its `responses=`.

    All that `OF_…` lists goes without saying: `service.openapi` adds it.

    Args:
        statuses: HTTP statuses of `MEANING`.
        meanings: Words of one's own for some of them: ``conflict="The study is running"``.
    """
    own = {HTTPStatus[name.upper()]: text for name, text in meanings.items()}
    return {
        status.value: {"description": own.get(status, MEANING[status]), "content": _CONTENT}
        for status in [*map(HTTPStatus, statuses), *own]
    }


_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
PROBLEMS = problems(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
"""What `service.openapi` would add to most routes anyway; FastAPI documents 422s of its own where
they are not named."""
NO_ROOM = problems(insufficient_storage="There is no room for the file on the service's disk")
"""Of routes that answer with files."""


def install(app: FastAPI) -> None:
    """Answer every error with problem details, or with a page where a browser asks for one."""
    for kind, handler in (
        (ServiceError, _service),
        (RequestValidationError, _validation),
        (HTTPException, _http),
        (DBAPIError, _database),
        (OSError, _system),
        (DashboardError, _drawing),
        (Exception, _unexpected),
    ):
        app.add_exception_handler(kind, handler)  # type: ignore[arg-type]  # each takes its kind


def answer_error(request: Request, error: ServiceError | DBAPIError) -> Response:
    """Answer an error that came up before any endpoint was asked."""
    if isinstance(error, DBAPIError):
        return _database(request, error)
    return _service(request, error)


def _service(request: Request, error: ServiceError) -> Response:
    errors = [(error.field, error.detail)] if error.field else []
    answer = problem(request, error.status, error.kind, error.title, error.detail, errors)
    if error.status is HTTPStatus.REQUEST_TIMEOUT:
        answer.headers["Connection"] = "close"  # the rest of the body is not waited for
    return answer


def _validation(request: Request, error: RequestValidationError) -> Response:
    errors = [(_path(one), said(one)) for one in _causes(error.errors())]
    detail = "; ".join(f"{field}: {words}" if field else words for field, words in errors[:3])
    if len(errors) > 3:
        detail += f"; and {len(errors) - 3} more"
    return problem(
        request,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-request",
        "The request is not valid",
        detail,
        errors,
    )


def _http(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    kind = status.phrase.lower().replace(" ", "-")
    detail = error.detail
    if status is HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {request.scope['path']}; /docs lists what there is"
    elif detail == UNREADABLE:
        detail = (
            "the body cannot be read: send JSON that is whole and UTF-8, not nested without end, "
            "and without numbers of thousands of digits"
        )
    allowed = ""
    if status is HTTPStatus.METHOD_NOT_ALLOWED and (methods := _allowed(request)):
        allowed = ", ".join(methods)  # those of every route with this address
        detail = f"{request.method} is not for {request.scope['path']}; allowed: {allowed}"
    answer = problem(request, status, kind, status.phrase, detail)
    answer.headers.update(error.headers or {})
    if allowed:
        answer.headers["Allow"] = allowed
    return answer


def _allowed(request: Request) -> list[str]:
    found: list[str] = request.app.state.allowed(request.url.path)
    return found


def _database(request: Request, error: DBAPIError) -> Response:
    found = trouble(error)
    if found is None:
        raise error  # a mistake of ours, to be logged as such
    logger.error("%s: %s", found, error.orig)
    status, kind, title = _TROUBLES[found]
    answer = problem(request, status, kind, title, f"nothing was changed; {found}, then try again")
    if found in PASSING:
        answer.headers["Retry-After"] = str(RETRY_AFTER)
    return answer


_TROUBLES = {
    Trouble.OUTDATED: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "database-outdated",
        "The database's tables are not those of this version",
    ),
    Trouble.FULL: (
        HTTPStatus.INSUFFICIENT_STORAGE,
        "database-full",
        "The database has no room left",
    ),
    Trouble.LOCKED: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "database-locked",
        "The database is locked",
    ),
    Trouble.UNREACHABLE: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "database-unavailable",
        "The database does not answer",
    ),
}


def _system(request: Request, error: OSError) -> Response:
    # Who first asks for the folder of temporary files on a full disk is told that there is none.
    if error.errno not in FULL and "No usable temporary directory" not in str(error):
        raise error  # a mistake of ours, to be logged as such
    logger.error("no room for a temporary file: %s", error)
    return problem(
        request,
        HTTPStatus.INSUFFICIENT_STORAGE,
        "disk-full",
        "The disk has no room left",
        "nothing was changed; the disk that holds temporary files is full: make room on it, or set "
        "TMPDIR to another, then try again",
    )


def _drawing(request: Request, error: DashboardError) -> Response:
    logger.error("%s", error)
    return problem(
        request,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "drawing-failed",
        "A picture or file could not be made",
        f"{error}; the data itself is at heatmap.json and trials.csv",
    )


def _unexpected(request: Request, _: Exception) -> Response:
    return problem(  # the server logs the traceback
        request,
        ServiceError.status,
        ServiceError.kind,
        ServiceError.title,
        "a mistake of the service's, not of the request; its log says more",
    )


def problem(
    request: Request,
    status: HTTPStatus,
    kind: str,
    title: str,
    detail: str,
    errors: Sequence[tuple[str, str]] = (),
) -> Response:
    """Build the answer: a page for a browser outside the API, else problem+json."""
    if not request.scope["path"].startswith("/api/") and "text/html" in request.headers.get(
        "accept", ""
    ):
        return error_page(status, title, detail, request)
    body = Problem(
        type=f"urn:lpwd:problem:{kind}",
        title=title,
        status=status,
        detail=detail,
        instance=request.scope["path"],
        errors=[Violation(field=field, detail=words) for field, words in errors],
        request_id=request_id(),
    )
    return JSONResponse(body.model_dump(), status_code=status, media_type=MEDIA_TYPE)


def _causes(errors: Sequence[Any]) -> list[Any]:
    """Leave out lists that pydantic calls too short only because their items were refused."""
    places = [tuple(one["loc"]) for one in errors]
    return [
        one
        for one, place in zip(errors, places, strict=True)
        if one["type"] != "too_short"
        or not any(len(other) > len(place) and other[: len(place)] == place for other in places)
    ]


def _path(error: Any) -> str:
    """Turn pydantic's location into a dotted path: ``optimizers.0.name``."""
    if error["type"] == "json_invalid":
        return ""  # the location is a position in the text
    parts = [str(part) for part in error["loc"]]
    if parts and parts[0] in {"body", "query", "path", "header"}:
        parts = parts[1:]
    return ".".join(parts)
