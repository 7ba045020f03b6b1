"""A process beside this one, for work that would stall it or load what it must not."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Self, TypeVar

Found = TypeVar("Found")


class ChildLostError(Exception):
    """The process died twice on a piece of work, took too long, or was closed."""


class ChildProcess:
    """Works through calls, one at a time; thread-safe, started by the first, closed by its owner.

    A process that was killed is replaced, and the call made once more.
    """

    def __init__(self) -> None:
        """Prepare; nothing is started yet."""
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._closed = False

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
    def pids(self) -> tuple[int, ...]:
        """Of the process, where there is one."""
        return tuple((self._pool._processes or {}) if self._pool else ())

    def call(
        self,
        function: Callable[..., Found],
        *arguments: Any,
        seconds: float,
    ) -> Found:
        """Call a module's function there; what it raises is raised here.

        Args:
            function: Found by its name in the other process.
            arguments: Of the function.
            seconds: After which the call is given up, and the process with it.

        Raises:
            ChildLostError: The process died twice, took too long, or was closed.
        """
        with self._lock:
            try:
                return self._submit(function, arguments, seconds)
            except BrokenProcessPool:
                self._discard()
            try:
                return self._submit(function, arguments, seconds)
            except BrokenProcessPool as error:
                self._discard()
                raise ChildLostError("the process died twice") from error

    def close(self) -> None:
        """End the process; a call made afterwards raises."""
        with self._lock:
            self._closed = True
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)
                self._pool = None

    def _submit(
        self, function: Callable[..., Found], arguments: tuple[Any, ...], seconds: float
    ) -> Found:
        if self._closed:
            raise ChildLostError("closed")
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare
            )
        future = self._pool.submit(function, *arguments)
        try:
            return future.result(timeout=seconds)
        except TimeoutError as error:
            if future.done():  # the function's own
                raise
            self._discard()
            raise ChildLostError(f"took over {seconds:.0f} s") from error

    def _discard(self) -> None:
        """Give up a pool that broke or hangs, whatever its process still does."""
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()):
                process.kill()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _prepare() -> None:
    """In the child: leave Ctrl-C to the parent, and end when the parent does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)
