"""The HTTP server, and how it ends: streams are closed first, so that nobody waits for them."""

import ctypes
import gc
import os
import signal
import socket
import sys
from types import FrameType

import uvicorn
from anyio import to_thread
from fastapi import FastAPI

from service.http_protocol import BoundedHttp

CLOSING = 5
"""Seconds that requests in progress get when the server ends."""


THREADS = 16
"""Requests that may be in the database, or computing, at once: more only wait for each other."""
SWITCH = 0.001
"""Seconds after which a thread lets another go on."""
ARENAS, TRIM, MMAP = -8, -1, -3
"""Names of `mallopt`'s parameters."""


def give_back_memory() -> None:
    """Have the C library hand memory back soon, and not set some aside for every thread.

    Without, the process stays as large as its largest request made it. Does nothing where the C
    library has no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in ((ARENAS, 2), (TRIM, 2**20), (MMAP, 2**18)):
            mallopt(parameter, value)


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
                http=BoundedHttp,
                log_config=None,
                timeout_graceful_shutdown=CLOSING,
                server_header=False,
                ws="none",  # there are no web sockets here
                # `LPWD_TRUSTED_PROXIES` says whose word counts: see `service.app`.
                proxy_headers=False,
            )
        )
        self._stopping = app.state.stopping
        give_back_memory()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, set up for short waits of many."""
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        # A thread that computes hands over sooner to the one that answers.
        sys.setswitchinterval(SWITCH)
        await super().startup(sockets)
        # What is there now stays: no need to look through it for garbage again and again.
        gc.collect()
        gc.freeze()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in good order; at the second signal, at once."""
        if self.should_exit:
            signal.signal(sig, signal.SIG_DFL)
            os.kill(os.getpid(), sig)
        self._stopping.set()
        super().handle_exit(sig, frame)
