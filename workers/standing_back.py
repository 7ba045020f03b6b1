"""Leaves the processors to others first, whatever session these are in."""

import logging
import os
import time
from pathlib import Path

logger = logging.getLogger(__name__)

OWN_SESSION = Path("/proc/self/autogroup")
"""How nice Linux takes this process's session to be, where it counts sessions."""
TRIES, PAUSE = 20, 0.1
"""Linux takes a number for a session once in a tenth of a second, from whomever."""


def stand_back(by: int) -> None:
    """Have this process, and all that it starts, be nicer to others by so much.

    Where Linux shares processors out to sessions first (`autogroup` in sched(7)), `nice` counts
    within a session only: training would have as large a share as everything in the API's. So the
    session is made as nice as the process that leads it; one that this process only takes part in,
    such as a terminal's, is left alone.

    Args:
        by: Levels of `nice`, 0 to 19; 0 makes a new session as nice as the process is already.
    """
    nice = os.nice(by)
    if os.getsid(0) != os.getpid() or not OWN_SESSION.exists():
        return
    try:
        _set(nice)
    except OSError as error:
        logger.warning(
            "training may slow others down: Linux does not take %d for how nice its session is: %s",
            nice,
            error.strerror,
        )


def _set(nice: int) -> None:
    for left in reversed(range(TRIES)):
        try:
            OWN_SESSION.write_text(str(nice))
            return
        except BlockingIOError:
            if not left:
                raise
            time.sleep(PAUSE)
