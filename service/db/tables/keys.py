"""The tables of keys, and of browsers that signed in with one."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UTCDateTime
from service.db.tables.columns import state_type
from service.keys.model import Role


class KeyRow(Base):
    """An API key. What it opens is known to its holder alone: only a hash is kept."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("name"), UniqueConstraint("hash"))

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    """Also the key's first part, which may be shown."""
    name: Mapped[str] = mapped_column(String(100))
    """Whose it is, or what for; studies name it as their owner."""
    hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the secret, which is random and long: nothing slower is needed."""
    role: Mapped[Role] = mapped_column(state_type(Role, "role"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class SessionRow(Base):
    """A browser that signed in with a key. What it holds is a random token; here is its hash."""

    __tablename__ = "sessions"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the token."""
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
