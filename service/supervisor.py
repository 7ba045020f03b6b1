"""Keeps the service's processes running on one machine."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.2
PATIENCE = 20.0
"""Seconds a process may take to end before it is killed, unless it needs longer."""
STEADY = 60.0
"""Seconds a process must run for its earlier crashes to be forgotten."""
FIRST_PAUSE = 0.5
"""Seconds before a process that crashed is started again; twice as long each time in a row."""
CRASHES = 5
"""Crashes in a row that are not worth another try."""
STOP_WITH_STDIN = "LPWD_STOP_WITH_STDIN"
"""Set for processes that must end when their standard input does: when their parent is gone,
however it went."""


class GaveUpError(Exception):
    """A process crashes as fast as it is started."""


@dataclass
class _Child:
    name: str
    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes]
    started: float
    crashes: int = 0
    restart_at: float | None = None


class Supervisor:
    """Starts processes, starts those that crash again, and ends all of them together."""

    def __init__(
        self,
        commands: Mapping[str, tuple[str, ...]],
        env: Mapping[str, str],
        *,
        patience: float = PATIENCE,
    ) -> None:
        """Prepare to run `lpwd` with these arguments each, by name.

        Args:
            commands: Name to arguments.
            env: Environment, beside this process's own.
            patience: Seconds a process may take to end before it is killed.
        """
        self._commands = commands
        self._patience = patience
        self._env = {**os.environ, **env, STOP_WITH_STDIN: "1"}
        self._children: list[_Child] = []

    def start(self) -> None:
        """Start all processes."""
        for name, arguments in self._commands.items():
            self._children.append(_Child(name, arguments, self._spawn(arguments), time.monotonic()))

    def run(self, stop: threading.Event) -> None:
        """Keep them running until `stop` is set.

        Raises:
            GaveUpError: One of them does not stay up.
        """
        while not stop.wait(LOOK_EVERY):
            self.look()

    def look(self) -> None:
        """Start again what has crashed; for callers with a loop of their own. Raises as `run`."""
        for child in self._children:
            self._look_after(child)

    def stop(self) -> None:
        """Ask all to end, and see to it that they do."""
        for child in self._children:
            child.process.terminate()
        deadline = time.monotonic() + self._patience
        for child in self._children:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("%s does not end; killing it", child.name)
                child.process.kill()
                child.process.wait()
            if child.process.stdin is not None:
                child.process.stdin.close()
        self._children = []

    def pid(self, name: str) -> int:
        """Return the process id of one of them."""
        return next(child.process.pid for child in self._children if child.name == name)

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.restart_at is not None:
            if now >= child.restart_at:
                child.process, child.started = self._spawn(child.arguments), now
                child.restart_at = None
            return
        code = child.process.poll()
        if code is None:
            return
        if child.process.stdin is not None:
            child.process.stdin.close()
        child.crashes = 1 if now - child.started > STEADY else child.crashes + 1
        if child.crashes > CRASHES:
            raise GaveUpError(
                f"{child.name} ended {child.crashes} times in a row, last with exit status {code}; "
                "its messages are above"
            )
        delay = FIRST_PAUSE * 2 ** (child.crashes - 1)
        logger.warning("%s ended (exit status %s); starting it again", child.name, code)
        child.restart_at = now + delay

    def _spawn(self, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C reaches the supervisor alone, which ends all in order.
        return subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", "service", *arguments],
            env=self._env,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
