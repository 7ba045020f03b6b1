"""Every request gets an id and a line in the log."""

import logging
import re
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.logs import ACCESS

logger = logging.getLogger(ACCESS)

REQUEST_ID = "X-Request-ID"
WELL_FORMED = re.compile(r"[A-Za-z0-9._:/+=-]{1,100}")
"""Ids of clients that are taken over; others are replaced."""
QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/static/{path}"})
"""Routes whose requests are details, unless they fail."""

MADE = "made_study"
"""Under which a request's state has the id of the study that it made, if it did."""

Observe = Callable[[str, str, int, float], None]
"""Told of every request: method, route, status and seconds."""

_STUDY_ID = re.compile(r"[A-Za-z0-9]{1,64}")

_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def request_id() -> str | None:
    """Return the id of the request that is being answered."""
    return _current.get()


class RequestLog:
    """Middleware around all others, so that whatever answers is logged."""

    def __init__(self, app: ASGIApp, observe: Observe = lambda *_: None) -> None:
        """Wrap `app`."""
        self._app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and log its end."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        identity = given if WELL_FORMED.fullmatch(given) else secrets.token_hex(8)
        _current.set(identity)
        structlog.contextvars.bind_contextvars(request=identity)
        header = (b"x-request-id", identity.encode())
        status = 500  # what the server makes of an error that nobody caught
        began = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._log(scope, status, time.perf_counter() - began)

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        method, route = scope["method"], route_of(scope)
        self._observe(method, route, status, seconds)
        level = logging.DEBUG if route in QUIET and status < 500 else logging.INFO
        if logger.isEnabledFor(level):
            said = {
                "method": method,
                "route": route,
                "path": scope.get("raw_path", b"").decode("latin-1") or scope["path"],
                "status": status,
                "milliseconds": round(1000 * seconds, 1),
                "request": request_id(),
            }
            study = study_of(scope)
            if study is not None:
                said["study"] = study
            logger.log(level, "request", extra={"with": said})


def study_of(scope: Scope) -> str | None:
    """Return the id of the study that a request is about: named in its address, or just made."""
    made: str | None = scope.get("state", {}).get(MADE)
    named: str | None = scope.get("path_params", {}).get("study_id")
    found = made or named
    return found if found and _STUDY_ID.fullmatch(found) else None


def route_of(scope: Scope) -> str:
    """Return the template of the route that answered: ``/api/v1/studies/{study_id}``.

    There are as few of them as routes, whatever is asked for; ``(none)`` where no route matched.
    """
    path: str = scope["path"]
    template: str | None = getattr(scope.get("route"), "path", None)
    if template is not None:
        # A route knows its own part alone, not the prefix under which it was included.
        parts, own = path.split("/"), template.split("/")
        return "/".join([*parts[: max(0, len(parts) - len(own) + 1)], *own[1:]])
    root = scope.get("root_path", "")
    return f"{root}/{{path}}" if root and "endpoint" in scope else "(none)"
