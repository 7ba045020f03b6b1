"""Headers that keep answers to what they are, wherever they are opened."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # Pages bring a policy of their own; a picture, opened by itself, runs nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    # For browsers that do not know frame-ancestors.
    "X-Frame-Options": "DENY",
    # No page of another site shares a window with one of these, or takes an answer in.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "accelerometer=(), camera=(), display-capture=(), geolocation=(), "
    "gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()",
    "X-Permitted-Cross-Domain-Policies": "none",
}
SECURE_ONLY = {"Strict-Transport-Security": "max-age=31536000"}
"""Besides, where the service is reached by https: browsers use nothing else for a year."""


class SecurityHeaders:
    """Middleware that adds `HEADERS` where an answer does not set them itself."""

    def __init__(self, app: ASGIApp, *, https: bool = False) -> None:
        """Wrap `app`, which is reached by https or not."""
        self._app = app
        self._headers = HEADERS | (SECURE_ONLY if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
