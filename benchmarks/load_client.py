"""A client that asks as quickly as it is answered: `python -m benchmarks.load_client URL …`.

In a process of its own, so that it and the service have a core each. It speaks just enough HTTP/1.1
to keep connections open and to find where an answer ends.
"""

import argparse
import asyncio
import json
import time
from urllib.parse import urlsplit


class Asking(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, request: bytes, until: float, seconds: list[float]) -> None:
        self._request = request
        self._until = until
        self._seconds = seconds
        self._received = bytearray()
        self._asked = 0.0
        self.failed = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Go on as soon as an answer is complete."""
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        lines = bytes(self._received[:head]).lower()
        at = lines.find(b"\r\ncontent-length:")
        length = int(lines[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._received) < head + 4 + length:
            return
        status = int(lines.split(b" ", 2)[1])
        self.failed += status >= 400
        self._seconds.append(time.perf_counter() - self._asked)
        self._received.clear()
        if time.perf_counter() < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        """End."""
        if not self.done.done():
            self.done.set_result(None)

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._request)  # type: ignore[attr-defined]  # it can be written to


async def ask(
    url: str, *, connections: int, seconds: float, headers: list[str]
) -> dict[str, float]:
    """Ask for one address over several connections; returns rate and times."""
    found = urlsplit(url)
    path = found.path + (f"?{found.query}" if found.query else "")
    lines = [f"GET {path} HTTP/1.1", f"Host: {found.netloc}", *headers, "", ""]
    request = "\r\n".join(lines).encode()
    taken: list[float] = []
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    asking = []
    for _ in range(connections):
        _, one = await loop.create_connection(
            lambda: Asking(request, began + seconds, taken), found.hostname, found.port
        )
        asking.append(one)
    await asyncio.gather(*(one.done for one in asking))
    whole = time.perf_counter() - began
    taken.sort()
    return {
        "requests": len(taken),
        "failed": sum(one.failed for one in asking),
        "per_second": len(taken) / whole,
        "median": taken[len(taken) // 2],
        "p99": taken[int(0.99 * (len(taken) - 1))],
    }


def load(arguments: argparse.Namespace) -> dict[str, float]:
    """Ask as the command line says."""
    return asyncio.run(
        ask(
            arguments.url,
            connections=arguments.connections,
            seconds=arguments.seconds,
            headers=arguments.header,
        )
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("url")
    options.add_argument("--connections", type=int, default=16)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--header", action="append", default=[])
    print(json.dumps(load(options.parse_args())))
