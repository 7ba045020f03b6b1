"""A whole service in processes of its own, as `lpwd serve` runs it."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from service.client import Client
from service.db import Database

PATIENCE = 240.0
"""Seconds anything may take on a busy machine before a test gives up."""


LOOK_EVERY = 0.25
"""Seconds between two looks, once it takes longer."""
ONE_WORKER = {"RAY_OVERRIDE_RESOURCES": '{"CPU": 1}'}
"""For services whose Ray should take the machine for one with a single core: every worker imports
torch, again whenever it is started again."""


def wait_until(what, *, patience=PATIENCE):
    """Wait for `what()` to be truthy and return it."""
    deadline, pause = time.monotonic() + patience, 0.02
    while not (found := what()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(pause)
        pause = min(1.2 * pause, LOOK_EVERY)  # looking takes time from what is waited for
    return found


def free_port():
    """A port on which nothing listens just now.

    Of those below the ones that Linux hands out by itself: Ray or another test would have taken it
    by the time a service has started, or has started again.
    """
    while True:
        port = random.randrange(20_000, 32_768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Live:
    """`lpwd serve` on a folder of its own."""

    def __init__(self, folder: Path, *, within: Sequence[str] = (), **settings: str) -> None:
        """Prepare to start it; `within` is a command that is given its command line."""
        self.folder = folder
        self._within = tuple(within)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._env = {
            **os.environ,
            "LPWD_DATA_DIR": str(folder),
            "LPWD_RUNNER_NICE": "0",
            **settings,
        }
        self.log = folder / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self._within,
                    *(sys.executable, "-m", "service", "serve", "--port", str(self.port)),
                ],
                env=self._env,
                stderr=log,
                stdout=log,
                start_new_session=True,
            )
        with self.client() as client:
            wait_until(client.ready)

    def client(self) -> Client:
        return Client(self.url)

    def database(self) -> Database:
        return Database(f"sqlite:///{self.folder / 'lpwd.db'}")

    def processes(self) -> list[psutil.Process]:
        """All processes there are because of this service, Ray's included."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, pattern: str, of: psutil.Process | None = None) -> psutil.Process | None:
        """The process whose command line matches, of all or of those below another."""
        try:
            processes = self.processes() if of is None else of.children(recursive=True)
        except psutil.NoSuchProcess:
            return None
        for process in processes:
            try:
                if re.search(pattern, " ".join(process.cmdline())):
                    return process
            except psutil.Error:
                continue
        return None

    def found(self, pattern: str) -> psutil.Process:
        """Wait for the process whose command line matches: one that ended may not be back yet."""
        return wait_until(lambda: self.child(pattern))

    @contextmanager
    def beside(self, command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run another process of the service, on the same database, for the length of a block."""
        with log.open("ab") as told:
            process = subprocess.Popen(
                [sys.executable, "-m", "service", command],
                env=self._env,
                stderr=told,
                stdout=told,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                left = psutil.Process(process.pid).children(recursive=True)
                process.terminate()
                process.wait(PATIENCE)
                _kill(left)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)


@contextmanager
def serving(folder: Path, *, within: Sequence[str] = (), **settings: str):
    """Run a service, and make sure that nothing of it is left."""
    live = Live(folder, within=within, **settings)
    live.start()
    try:
        yield live
    finally:
        left = live.processes() if live.process.poll() is None else []
        if live.process.poll() is None:
            live.stop()
        _kill(left)


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
