"""The runner's word that it is there, and what it does: said by a thread of its own."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from service.db import Database
from service.runners.model import DeviceUse, RunnerState
from service.runners.repository import BEAT, leave, say, sweep

logger = logging.getLogger(__name__)

HANGS = 120.0
"""Seconds without a `tell` after which the runner hangs, and should not be taken for alive."""
SWEEP_EVERY = 60.0
"""Seconds between two looks for runners that are gone."""
ENDING = 5.0
"""Seconds that the last word may take."""


class Presence:
    """Keeps the runner's row fresh while its main thread is at long work."""

    def __init__(self, database: Database) -> None:
        """Prepare; nothing is said before `start`."""
        self.id = secrets.token_hex(6)
        self._database = database
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._closed = False
        self._state = RunnerState.IDLE
        self._study_id: str | None = None
        self._devices: tuple[DeviceUse, ...] = ()
        self._told = time.monotonic()
        self._swept = 0.0
        self._measuring = False
        """Whether a device did when the runner last spoke: a study's page shows that."""
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """Begin to say that the runner is there: that it starts, until it names a device."""
        self._thread.start()

    def tell(
        self, state: RunnerState, study_id: str | None = None, devices: Sequence[DeviceUse] = ()
    ) -> None:
        """Say what the runner does now. Quick, to be called often; what is new is said at once."""
        with self._lock:
            news = (state, study_id) != (self._state, self._study_id)
            news |= len(devices) != len(self._devices)
            news |= _measuring(devices) != _measuring(self._devices)
            self._state, self._study_id, self._devices = state, study_id, tuple(devices)
            self._told = time.monotonic()
        if news:
            self._news.set()

    def close(self) -> None:
        """Take the runner's word back: it ends."""
        self._closed = True
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(ENDING)

    def _run(self) -> None:
        while not self._closed:
            self._news.clear()
            try:
                self._say()
            except SQLAlchemyError as error:
                logger.debug("the runner's presence could not be noted: %s", error)
            self._news.wait(BEAT)
        try:
            leave(self._database, self.id)
        except SQLAlchemyError as error:
            logger.debug("the runner's leaving could not be noted: %s", error)

    def _say(self) -> None:
        with self._lock:
            state, study_id, devices = self._state, self._study_id, self._devices
            hangs = time.monotonic() - self._told > HANGS
        if hangs:
            return
        say(
            self._database,
            self.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            state=state,
            study_id=study_id,
            devices=devices,
            shown=_measuring(devices) != self._measuring,
        )
        self._measuring = _measuring(devices)
        if time.monotonic() - self._swept > SWEEP_EVERY:
            self._swept = time.monotonic()
            sweep(self._database)


def _measuring(devices: Sequence[DeviceUse]) -> bool:
    return any(device.measuring for device in devices)
