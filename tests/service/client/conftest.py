"""The application behind a real socket, and the client that talks to it."""

import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn

from service.app import create_app
from service.client import Client


@contextmanager
def listening(settings):
    """Serve the application from a thread; yields its address."""
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            port=0,
            log_config=None,
            ws="none",
            timeout_graceful_shutdown=1,
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


@pytest.fixture
def address(settings):
    """Serve an installation."""
    with listening(settings) as address:
        yield address


@pytest.fixture
def talking(address):
    """Talk to it."""
    with Client(address) as talking:
        yield talking


@pytest.fixture
def database_url(sqlite_url):
    """Use SQLite alone: that the application answers alike on PostgreSQL, other tests see to."""
    return sqlite_url
