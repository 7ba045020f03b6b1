"""What keeps a database from answering, and the way out."""

import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

logger = logging.getLogger(__name__)

Found = TypeVar("Found")

OUTAGE = 600.0
"""Seconds that a runner holds on to its work while the database does not answer."""
PAUSE = 1.0
"""Seconds between two tries."""


class Trouble(StrEnum):
    """A kind of trouble; its value is what to tell people."""

    OUTDATED = "the database's tables are missing or not current: run `lpwd db upgrade`"
    FULL = "the disk that holds the database is full: make room on it"
    LOCKED = "another process keeps the database locked: end it, or wait until it is done"
    UNREACHABLE = "the database does not answer: see to it that it runs and can be reached"


class TablesOutdatedError(Exception):
    """Tables or columns are missing: this version needs other tables than there are."""

    def __init__(self) -> None:
        super().__init__(Trouble.OUTDATED.value)


def trouble(error: DBAPIError) -> Trouble | None:
    """Tell what is wrong; None where it is a mistake of ours."""
    state = getattr(error.orig, "sqlstate", None)
    said = str(error.orig).lower()
    if state in {"42P01", "42703"} or "no such table" in said or "no such column" in said:
        return Trouble.OUTDATED
    if state in {"53100", "58030"} or "disk is full" in said or "disk i/o error" in said:
        return Trouble.FULL
    if "database is locked" in said or state == "55P03":
        return Trouble.LOCKED
    if isinstance(error, OperationalError | InterfaceError):
        return Trouble.UNREACHABLE
    return None


def passing(error: DBAPIError) -> Trouble:
    """Return trouble that may pass by itself.

    Raises:
        TablesOutdatedError: It will not.
        DBAPIError: The same, where it is a mistake of ours.
    """
    found = trouble(error)
    if found is None:
        raise error
    if found is Trouble.OUTDATED:
        raise TablesOutdatedError from error
    return found


def deadlocked(error: DBAPIError) -> bool:
    """Tell whether PostgreSQL ended a transaction because it and another waited for each other.

    It may be tried again at once.
    """
    return getattr(error.orig, "sqlstate", None) == "40P01"


class Patience:
    """Repeats a piece of work while the database does not answer.

    Each must be one transaction that may be tried again though its answer was lost.
    """

    def __init__(self, *, stopping: Callable[[], bool], drain_seconds: float) -> None:
        """Try for `OUTAGE` seconds, and for `drain_seconds` once the process was told to stop."""
        self._stopping = stopping
        self._drain_seconds = drain_seconds

    def __call__(self, work: Callable[[], Found]) -> Found:
        """Do the work, however often it takes.

        Raises:
            DBAPIError: In vain.
            TablesOutdatedError: There is nothing to wait for.
        """
        began, said = time.monotonic(), False
        while True:
            try:
                found = work()
            except DBAPIError as error:
                what = passing(error)
                most = self._drain_seconds if self._stopping() else OUTAGE
                if time.monotonic() - began > most:
                    raise
                if not said:
                    logger.warning("%s; trying again: %s", what, error.orig)
                    said = True
                time.sleep(PAUSE)
            else:
                if said:
                    passed = time.monotonic() - began
                    logger.info("the database answers again, after %.0f s", passed)
                return found
