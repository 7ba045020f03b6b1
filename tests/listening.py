"""The application behind a real socket, served from a thread of this process."""

import threading
import time
from contextlib import contextmanager

import uvicorn

from service.app import create_app


@contextmanager
def listening(settings, around=lambda app: app, **options):
    """Serve the application, with something around it; yields its address.

    Options are uvicorn's.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            around(create_app(settings)),
            port=0,
            log_config=None,
            ws="none",
            timeout_graceful_shutdown=1,
            **options,
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
