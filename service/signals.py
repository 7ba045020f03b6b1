"""Ending on request: signals, and the end of the parent process."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import psutil

from service.supervisor import STOP_WITH_STDIN

logger = logging.getLogger(__name__)


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` on SIGINT and SIGTERM; a second one ends the process at once, with all it started.

    Left alone, Ray's agents would live on for a minute, to tell a cluster that is gone of its end.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            _kill_children()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)


@contextmanager
def ending_at_once(farewell: Callable[[], None]) -> Iterator[None]:
    """Have SIGINT and SIGTERM end the process, with all it started, whatever its main thread is at.

    For a block in which nothing can get lost and which may be in foreign code for long: Python's
    own handlers would wait until that returns. In the main thread alone. The block leaves handlers
    of its own behind, unless it raises.

    Args:
        farewell: Called before, in another thread.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def watch() -> None:
        while told := os.read(reading, 1):
            if told[0] in (signal.SIGINT, signal.SIGTERM):
                logger.info("ending, before all was up")
                _kill_children()
                farewell()
                os._exit(0)

    watching = threading.Thread(target=watch, name="signals", daemon=True)
    watching.start()
    handlers = {
        number: signal.signal(number, _leave_it_to_the_watch)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    except BaseException:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        raise
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        watching.join()  # for ever, where a signal has come
        os.close(reading)


def _leave_it_to_the_watch(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal of which a thread is told at once."""


def _kill_children() -> None:
    """Kill all that this process started: first all stand still, lest they start more."""
    for act in (psutil.Process.suspend, psutil.Process.kill):
        for started in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                act(started)


def supervised() -> bool:
    """Tell whether this process was started by a supervisor."""
    return os.environ.get(STOP_WITH_STDIN) == "1"


def stop_with_parent() -> None:
    """Under a supervisor: end when it is gone, even if it was killed."""
    if not supervised():
        return

    def wait() -> None:
        # Not sys.stdin: its lock, held by a daemon thread, makes the interpreter's exit fatal.
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
