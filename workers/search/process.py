"""The runner's side of a search: its process, what it tells, and what to do when it is silent."""

import logging
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from types import TracebackType
from typing import Self

from workers.search import child
from workers.search.contracts import (
    KnownTrial,
    Message,
    PointEpoch,
    SearchBroken,
    SearchJob,
)

logger = logging.getLogger(__name__)

SILENCE = 120.0
"""Seconds without any sign of life after which a search hangs. Loading all it needs takes less."""
STALL = 600.0
"""Seconds without an epoch after which a search stands still, whatever its loop does."""
STALL_FACTOR = 20
"""Epochs may be longer than that: as many times the longest so far are waited for."""
ENDING = 5.0
"""Seconds that the process may take to end after it was killed."""


class SearchLostError(Exception):
    """The process of a search died, hangs or broke off. Its points can be proposed anew."""


class Watchdog:
    """Tells when to give up waiting: pure, the time is handed in."""

    def __init__(self, now: float, *, silence: float = SILENCE, stall: float = STALL) -> None:
        """Begin to wait.

        Args:
            now: Seconds on any clock.
            silence: Seconds without a sign of life after which a search hangs.
            stall: Seconds without an epoch after which it stands still, at least.
        """
        self._silence, self._stall = silence, stall
        self._heard = self._moved = now
        self._longest = 0.0

    def heed(self, messages: Sequence[Message], now: float) -> None:
        """Note what was told, perhaps nothing.

        Raises:
            SearchLostError: It is time to give up.
        """
        if messages:
            self._heard = now
        if any(isinstance(message, PointEpoch) for message in messages):
            self._longest = max(self._longest, now - self._moved)
            self._moved = now
        if now - self._heard > self._silence:
            raise SearchLostError(f"no sign of life for {self._silence:.0f} s: it hangs")
        patience = max(self._stall, STALL_FACTOR * self._longest)
        if now - self._moved > patience:
            raise SearchLostError(
                f"no epoch was trained for {patience:.0f} s: a node may be lost, or no device free"
            )


class SearchProcess:
    """A search in a process of its own. Use as a context manager: it ends with the block.

    Ray Tune keeps a registry in its process that two searches would share, `fit` never returns when
    the node is lost, and a lost connection to Ray ends the process: so none of this happens in the
    runner's.
    """

    def __init__(
        self,
        job: SearchJob,
        address: str,
        *,
        gpu: bool,
        devices: int,
        memory: int | None = None,
    ) -> None:
        """Start the process.

        Args:
            job: What to search.
            address: Of the Ray cluster to train on, which has free devices.
            gpu: Whether to train on GPUs.
            devices: Points trained at a time.
            memory: Bytes that a worker on a CPU may take for a point; all there is by default.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="lpwd-search-")
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=child.main,
            args=(job, address),
            kwargs={
                "gpu": gpu,
                "devices": devices,
                "memory": memory,
                "folder": self._folder.name,
                "connection": theirs,
            },
            name="search",
            daemon=True,
        )
        self._process.start()
        theirs.close()
        self._watchdog = Watchdog(time.monotonic())
        self._broken: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid is not None  # noqa: S101 - it was started
        return self._process.pid

    def poll(self, timeout: float) -> list[Message]:
        """Wait for something to happen, at most `timeout` seconds, and return it.

        Raises:
            SearchLostError: The process died, hangs or broke off.
        """
        if self._broken is not None:
            raise SearchLostError(self._broken)
        wait([self._connection, self._process.sentinel], timeout)
        messages: list[Message] = []
        try:
            while self._connection.poll():
                messages.append(self._connection.recv())
        except (EOFError, OSError):
            if not messages:
                self._process.join(ENDING)
                raise SearchLostError(self._how_it_ended()) from None
        self._watchdog.heed(messages, time.monotonic())
        for message in messages:
            if isinstance(message, SearchBroken):
                self._broken = message.reason  # raised when the rest has been dealt with
        return messages

    def answer(self, known: tuple[KnownTrial, ...] | None) -> None:
        """Answer the last `Proposed`. Where the process is gone, `poll` tells."""
        with suppress(OSError):
            self._connection.send(known)

    def close(self) -> None:
        """End the process, whatever it does; Ray then ends the workers it had."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()  # for when it has no group of its own yet
        self._process.join(ENDING)
        self._connection.close()
        self._folder.cleanup()

    def _how_it_ended(self) -> str:
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"the process of the search was killed by {signal.Signals(-code).name}"
        return f"the process of the search ended with exit status {code}; the log says more"
