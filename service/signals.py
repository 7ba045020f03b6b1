"""Ending on request: signals, and the end of the parent process."""

import os
import signal
import threading
from contextlib import suppress
from types import FrameType

import psutil

from service.supervisor import STOP_WITH_STDIN


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` on SIGINT and SIGTERM; a second one ends the process at once, with all it started.

    Left alone, Ray's agents would live on for a minute, to tell a cluster that is gone of its end.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            for started in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    started.kill()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)


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
