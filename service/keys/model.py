"""What a key may do."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """A key's role; each may do what the one before it may."""

    READER = "reader"
    """Reads everything but keys."""
    SUBMITTER = "submitter"
    """Sends studies, and changes its own."""
    ADMIN = "admin"
    """Changes everything, keys too."""

    def covers(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        order = tuple(Role)
        return order.index(self) >= order.index(other)


class KeyState(StrEnum):
    """Whether a key opens anything."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class Key:
    """A key, without what it opens."""

    id: str
    name: str
    role: Role
    state: KeyState
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """To the minute."""
    revoked_at: datetime | None


@dataclass(frozen=True)
class NewKey:
    """A key and its secret, which nobody can look up later."""

    key: Key
    token: str

    def __repr__(self) -> str:
        """Name the key, and not what it opens."""
        return f"NewKey({self.key.id})"
