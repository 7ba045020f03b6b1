"""Browsers that signed in. Each holds a random token in a cookie, the database its hash."""

from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from service.db import utcnow
from service.db.tables.keys import SessionRow
from service.keys import tokens

LASTS = timedelta(days=7)
COOKIE = "lpwd_session"
SECURE_COOKIE = "__Host-lpwd_session"
"""Its name where the service is reached by https: browsers take it from nothing else."""


def begin(session: Session, key_id: str) -> str:
    """Begin a session for a key; returns its token. Sessions that are over are forgotten."""
    now = utcnow()
    session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    secret = tokens.new_secret()
    session.add(
        SessionRow(
            hash=tokens.digest(secret), key_id=key_id, created_at=now, expires_at=now + LASTS
        )
    )
    return secret


def key_of(session: Session, secret: str) -> str | None:
    """Return the id of the key that a session belongs to; None where there is none, or it is
    over."""
    # Looked up by a hash: how long that takes tells nothing about the token.
    found = session.get(SessionRow, tokens.digest(secret))
    return None if found is None or found.expires_at <= utcnow() else found.key_id


def end(session: Session, secret: str) -> None:
    """End a session."""
    session.execute(delete(SessionRow).where(SessionRow.hash == tokens.digest(secret)))
