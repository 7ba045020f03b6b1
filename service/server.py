"""The HTTP server, and how it ends: streams are closed first, so that nobody waits for them."""

import os
import signal
from types import FrameType

import uvicorn
from fastapi import FastAPI

CLOSING = 5
"""Seconds that requests in progress get when the server ends."""


class Server(uvicorn.Server):
    """uvicorn, telling the application's streams when it is asked to end.

    A second signal ends the process at once.
    """

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
        """Prepare to serve an application that `service.app.create_app` made."""
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                timeout_graceful_shutdown=CLOSING,
                server_header=False,
                # What a proxy says of who asks is not believed: anybody can say it.
                proxy_headers=False,
            )
        )
        self._stopping = app.state.stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in good order; at the second signal, at once."""
        if self.should_exit:
            signal.signal(sig, signal.SIG_DFL)
            os.kill(os.getpid(), sig)
        self._stopping.set()
        super().handle_exit(sig, frame)
