"""Keys in the database."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.db import utcnow
from service.db.tables.keys import KeyRow, SessionRow
from service.errors import ConflictError, NotFoundError
from service.keys import tokens
from service.keys.model import Key, KeyState, NewKey, Role
from service.webhooks import outbox

USED_EVERY = timedelta(minutes=1)
"""How exactly the last use is known: it is written no more often."""


def create(session: Session, *, name: str, role: Role, expires_at: datetime | None) -> NewKey:
    """Make a key.

    Raises:
        ConflictError: There is one of this name, or there was.
    """
    secret = tokens.new_secret()
    made = KeyRow(
        id=tokens.new_id(),
        name=name,
        hash=tokens.digest(secret),
        role=role,
        created_at=utcnow(),
        expires_at=expires_at,
    )
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError as error:
        raise ConflictError(
            f"there is a key named {name!r} already, and studies name their owner by it: choose "
            "another name, or rotate that key to get a new secret for it",
            field="name",
        ) from error
    return NewKey(_key(made), tokens.token(made.id, secret))


def everything(session: Session) -> Sequence[Key]:
    """Return all keys, revoked ones too, oldest first."""
    rows = session.scalars(select(KeyRow).order_by(KeyRow.created_at, KeyRow.id))
    return tuple(map(_key, rows))


def read(session: Session, key_id: str) -> Key:
    """Return a key, or raise `NotFoundError`."""
    return _key(_row(session, key_id))


def find(session: Session, name_or_id: str) -> Key:
    """Return a key by its name or id, or raise `NotFoundError`."""
    found = session.scalar(
        select(KeyRow).where(or_(KeyRow.name == name_or_id, KeyRow.id == name_or_id))
    )
    if found is None:
        raise _no_such(name_or_id)
    return _key(found)


def revoke(session: Session, key_id: str) -> Key:
    """Make a key open nothing from now on, end its sessions and disable its webhooks.

    Revoking twice is no error.

    Raises:
        NotFoundError: There is no such key.
    """
    found = _row(session, key_id)
    if found.revoked_at is None:
        found.revoked_at = utcnow()
        outbox.key_revoked(session, key_id)
    session.execute(delete(SessionRow).where(SessionRow.key_id == key_id))
    return _key(found)


def rotate(session: Session, key_id: str, *, expires_at: datetime | None = None) -> NewKey:
    """Give a key a new secret; the old one opens nothing from now on, its sessions are ended.

    Args:
        session: Where.
        key_id: The key. Its studies stay its own.
        expires_at: A new end; None leaves it as it is.

    Raises:
        NotFoundError: There is no such key.
        ConflictError: It is revoked, or has expired and is given no new end.
    """
    found = _row(session, key_id)
    if expires_at is not None:
        found.expires_at = expires_at
    state = _state(found)
    if state is KeyState.REVOKED:
        raise ConflictError(f"key {found.name!r} is revoked, which is for good: make a new one")
    if state is KeyState.EXPIRED:
        raise ConflictError(f"key {found.name!r} has expired: say how long the new one is to last")
    secret = tokens.new_secret()
    found.hash = tokens.digest(secret)
    session.execute(delete(SessionRow).where(SessionRow.key_id == key_id))
    session.flush()
    return NewKey(_key(found), tokens.token(found.id, secret))


def check(session: Session, key_id: str, secret: str) -> Key | None:
    """Return the key that this is, whatever its state; None where it is none of ours.

    What is done does not depend on whether there is such a key.
    """
    found = session.get(KeyRow, key_id)
    if not tokens.matches(secret, None if found is None else found.hash) or found is None:
        return None
    return _key(found)


def is_used(key: Key, now: datetime) -> bool:
    """Whether a use at a moment is to be written down."""
    return key.last_used_at is None or now - key.last_used_at >= USED_EVERY


def used(session: Session, key_id: str) -> None:
    """Note that a key is used now."""
    session.execute(update(KeyRow).where(KeyRow.id == key_id).values(last_used_at=utcnow()))


def _row(session: Session, key_id: str) -> KeyRow:
    found = session.get(KeyRow, key_id) if key_id.isalnum() else None
    if found is None:
        raise _no_such(key_id)
    return found


def _no_such(named: str) -> NotFoundError:
    return NotFoundError(
        f"there is no key {named[:64]!r}; GET /api/v1/keys or `lpwd key list` lists them"
    )


def _state(row: KeyRow) -> KeyState:
    if row.revoked_at is not None:
        return KeyState.REVOKED
    if row.expires_at is not None and row.expires_at <= utcnow():
        return KeyState.EXPIRED
    return KeyState.ACTIVE


def _key(row: KeyRow) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        role=row.role,
        state=_state(row),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
