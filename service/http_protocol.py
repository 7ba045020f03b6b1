"""HTTP as uvicorn speaks it, with bounds on the first lines of a request: uvicorn has none.

What is within these is for `service.limits`, which answers in words.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 65_536
"""Bytes of request line and headers; of one packet more, at most."""
SLOWEST_HEAD = 20.0
"""Seconds that they may take, from the connection or from the first byte of a further request."""
_REFUSED = b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """A connection that is closed when the first lines of a request are too long or too slow."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head: int | None = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._settle()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is too much."""
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > LARGEST_HEAD and not self.transport.is_closing():
                self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._expect()

    def on_headers_complete(self) -> None:
        """Count no more: what follows is the body."""
        self._settle()
        self._head = None
        super().on_headers_complete()

    def _expect(self) -> None:
        self._settle()
        self._head = 0
        self._deadline = self.loop.call_later(SLOWEST_HEAD, self._refuse, b"408 Request Timeout")

    def _settle(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        self._settle()
        self.transport.write(_REFUSED % status)
        self.transport.close()
