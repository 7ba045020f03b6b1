"""Recognises keys and sessions, quickly when they come again."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.exc import DBAPIError

from service.access import sessions
from service.access.model import Identity
from service.db import Database, utcnow
from service.errors import KeyInvalidError
from service.keys import repository, tokens
from service.keys.model import Key, KeyState

logger = logging.getLogger(__name__)

REMEMBERED_FOR = 2.0
"""Seconds that a key is recognised without a look into the database: how long one that is revoked
elsewhere may still be taken here, at most."""
MOST = 1000
"""Keys remembered."""


class Keyring:
    """Looks up keys; thread-safe."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        """Look up in `database`."""
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, Identity]] = OrderedDict()
        # Apart, so that nobody who reads waits for somebody else to have written.
        self._notes = ThreadPoolExecutor(1, thread_name_prefix="keys")
        self._noting: set[str] = set()

    def close(self) -> None:
        """Write down what is to be written, and look up no more."""
        self._notes.shutdown(wait=True)

    def remembered(self, secret: str, *, session: bool = False) -> Identity | None:
        """Return whom a key, or a session's token, belongs to where that was looked up just now."""
        found = self._known.get(tokens.digest(secret))
        if found is None or found[0] <= self._clock() or found[1].session is not session:
            return None
        return found[1]

    def identify(self, token: str) -> Identity:
        """Return whom a key belongs to.

        Raises:
            KeyInvalidError: It is no key, or opens nothing any more. That it has expired or was
                revoked is told to whoever holds it alone.
        """
        parts = tokens.parse(token)
        if parts is None:
            raise KeyInvalidError(
                "this is no key of this service: one looks like lpwd_<id>_<secret>"
            )
        with self._database.read() as session:
            key = repository.check(session, *parts)
        if key is None:
            raise KeyInvalidError("this key is unknown here")
        if key.state is KeyState.REVOKED:
            raise KeyInvalidError(f"key {key.name!r} was revoked; ask an admin for another")
        if key.state is KeyState.EXPIRED:
            raise KeyInvalidError(f"key {key.name!r} has expired; ask an admin for another")
        return self._recognised(token, key, session=False)

    def resume(self, secret: str) -> Identity | None:
        """Return whom a session belongs to; None where it is over, or its key opens nothing."""
        with self._database.read() as session:
            key_id = sessions.key_of(session, secret)
            key = None if key_id is None else repository.read(session, key_id)
        if key is None or key.state is not KeyState.ACTIVE:
            return None
        return self._recognised(secret, key, session=True)

    def forget(self) -> None:
        """Look up everything anew: something was revoked, rotated or ended."""
        with self._lock:
            self._known.clear()

    def _recognised(self, secret: str, key: Key, *, session: bool) -> Identity:
        identity = Identity(key.role, key.id, key.name, session)
        with self._lock:
            if repository.is_used(key, utcnow()) and key.id not in self._noting:
                self._noting.add(key.id)
                self._notes.submit(self._note, key.id)
            self._known[tokens.digest(secret)] = (self._clock() + REMEMBERED_FOR, identity)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return identity

    def _note(self, key_id: str) -> None:
        """Write down that a key was used."""
        try:
            with self._database.write() as session:
                repository.used(session, key_id)
        except DBAPIError as error:
            logger.warning("when key %s was used is not noted: %s", key_id, error.orig)
        finally:
            with self._lock:
                self._noting.discard(key_id)
