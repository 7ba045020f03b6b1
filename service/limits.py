"""Bounds on what a client may send."""

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import problem

LONGEST_PATH = 8_000
"""Bytes of a path, as it was sent."""
LONGEST_QUERY = 8_000
MOST_HEADERS = 100
LARGEST_HEADERS = 32_000
"""Bytes of all headers together."""
SLOWEST_BODY = 30.0
"""Seconds that a body may take to come."""


class HeadLimit:
    """Middleware that refuses requests whose first lines are too long, or whose body is packed."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 414, 415 or 431."""
        answer = _too_long(scope) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, send)


class BodyLimit:
    """Middleware that refuses bodies over a size, declared or streamed, or that come too slowly."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        most: int,
        streamed: frozenset[str] = frozenset(),
        slowest: float = SLOWEST_BODY,
    ) -> None:
        """Wrap `app`.

        Args:
            app: What is limited.
            most: Bytes of a body.
            streamed: Paths that limit their bodies themselves.
            slowest: Seconds that a body may take.
        """
        self._streamed = streamed
        self._app = app
        self._most = most
        self._slowest = slowest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 408 or 413."""
        if scope["type"] != "http" or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._slowest):
                body = await self._whole(receive)
        except TimeoutError:
            await self._slow(scope)(scope, receive, send)
            return
        if body is None:
            await self._large(scope)(scope, receive, send)
            return
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    async def _whole(self, receive: Receive) -> bytes | None:
        """Return a body; None where it is too large, of which the rest is not read."""
        body = bytearray()
        message: Message = {"type": "http.request", "more_body": True}
        while message["type"] == "http.request" and message.get("more_body", False):
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._most:
                return None
        return bytes(body)

    def _large(self, scope: Scope) -> Response:
        return problem(
            Request(scope),
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too-large",
            "Too large",
            f"the body is larger than the {self._most:,} bytes this installation takes "
            "(LPWD_MAX_BODY_BYTES)",
        )

    def _slow(self, scope: Scope) -> Response:
        answer = problem(
            Request(scope),
            HTTPStatus.REQUEST_TIMEOUT,
            "too-slow",
            "Too slow",
            f"the body has not come within {self._slowest:g} s; send it again, at once",
        )
        answer.headers["Connection"] = "close"
        return answer


def _too_long(scope: Scope) -> Response | None:
    """Refuse the first lines of a request; None where they are fine."""
    path, query = len(scope.get("raw_path") or scope["path"]), len(scope["query_string"])
    if path > LONGEST_PATH or query > LONGEST_QUERY:
        return problem(
            Request(scope),
            HTTPStatus.REQUEST_URI_TOO_LONG,
            "address-too-long",
            "The address is too long",
            f"a path may have {LONGEST_PATH:,} bytes and a query {LONGEST_QUERY:,}; it has "
            f"{path:,} and {query:,}",
        )
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MOST_HEADERS or size > LARGEST_HEADERS:
        return problem(
            Request(scope),
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers-too-large",
            "The headers are too large",
            f"{MOST_HEADERS} headers of {LARGEST_HEADERS:,} bytes together may be sent; there are "
            f"{len(headers):,} of {size:,}",
        )
    coding = Headers(scope=scope).get("content-encoding", "identity").strip().lower()
    if coding not in {"identity", ""}:
        # What is small on its way may be large once it is unpacked.
        return problem(
            Request(scope),
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "packed-body",
            "Packed bodies are not taken",
            f"Content-Encoding is {coding[:40]!r}; send the body as it is",
        )
    return None
