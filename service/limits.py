"""Bounds on what a client may send."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import problem


class BodyLimit:
    """Middleware that refuses bodies over a size, declared or streamed."""

    def __init__(self, app: ASGIApp, *, most: int, streamed: frozenset[str] = frozenset()) -> None:
        """Wrap `app`.

        Args:
            app: What is limited.
            most: Bytes of a body.
            streamed: Paths that limit their bodies themselves.
        """
        self._streamed = streamed
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413."""
        if scope["type"] != "http" or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
            return
        body = bytearray()
        message: Message = {"type": "http.request", "more_body": True}
        while message["type"] == "http.request" and message.get("more_body", False):
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._most:
                answer = problem(
                    Request(scope),
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    "too-large",
                    "Too large",
                    f"the body is larger than the {self._most:,} bytes this installation takes "
                    "(LPWD_MAX_BODY_BYTES)",
                )
                await answer(scope, receive, send)
                return
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, replay, send)
