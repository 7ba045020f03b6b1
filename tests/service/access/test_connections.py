"""Connections that are kept busy with the first lines of a request: raw sockets, real server."""

import json
import socket
import time

import pytest

from service import http_protocol
from tests.listening import listening
from tests.live import PATIENCE


@pytest.fixture
def database_url(sqlite_url):
    """Use SQLite alone: of the database nothing is asked here."""
    return sqlite_url


@pytest.fixture
def port(settings, monkeypatch):
    monkeypatch.setattr(http_protocol, "SLOWEST_HEAD", 0.6)
    with listening(settings, http=http_protocol.BoundedHttp) as address:
        yield int(address.rpartition(":")[2])


def talk(port, *pieces, pause=0.0):
    """Send pieces and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        got = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
            while chunk := connection.recv(65536):
                got += chunk
        except ConnectionError:
            pass
        return got


GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CLOSE = GET + b"Connection: close\r\n\r\n"


def test_heads_are_bounded_whatever_comes(port):
    assert talk(port, CLOSE).startswith(b"HTTP/1.1 200")
    endless = talk(port, GET, *[b"X: " + b"x" * 8000 + b"\r\n"] * 40)
    assert not endless or endless.startswith(b"HTTP/1.1 431")
    long = talk(port, GET + b"X: " + b"x" * 40_000 + b"\r\nConnection: close\r\n\r\n")
    assert long.startswith(b"HTTP/1.1 431")
    assert json.loads(long.partition(b"\r\n\r\n")[2])["title"] == "The headers are too large"


def test_heads_that_never_end_are_not_waited_for(port):
    assert talk(port).startswith(b"HTTP/1.1 408")
    assert talk(port, GET).startswith(b"HTTP/1.1 408")
    assert talk(port, GET + b"\r\n" + GET).count(b"HTTP/1.1 408") == 1


def test_a_slow_body_and_further_requests_are_fine(port):
    head = b"POST /api/v1/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    pieces = [head + b"Content-Length: 100\r\nConnection: close\r\n\r\n", b" " * 50, b" " * 50]
    assert talk(port, *pieces, pause=0.5).startswith(b"HTTP/1.1 4")
    assert talk(port, GET + b"\r\n", GET + b"\r\n", CLOSE, pause=0.3).count(b"HTTP/1.1 200") == 3


def test_requests_are_not_smuggled(port):
    both = b"POST /api/v1/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n"
    both += b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n"
    assert talk(port, both).startswith(b"HTTP/1.1 400")
    two = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"
    for bad in (two, b"\0\1\2\r\n\r\n"):
        assert talk(port, bad).startswith(b"HTTP/1.1 4")
    split = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rb\r\nConnection: close\r\n\r\n"
    assert b"a\rb" not in talk(port, split)
