"""Who needs a key, and who is asking."""

from dataclasses import dataclass
from enum import StrEnum

from service.keys.model import Role


class Mode(StrEnum):
    """Who needs a key."""

    OPEN = "open"
    """Nobody."""
    READ_OPEN = "read-open"
    """Whoever changes something."""
    KEYS = "keys"
    """Everybody."""


@dataclass(frozen=True)
class Identity:
    """Whom the service takes the sender of a request for."""

    role: Role
    """What may be done."""
    key_id: str | None = None
    """Of the key that came along; None where none did and none was needed."""
    name: str | None = None
    """Of that key."""
    session: bool = False
    """Whether the key came as a cookie, from a browser that signed in."""

    def may_change(self, owner_id: str | None) -> bool:
        """Whether what belongs to a key may be changed: one's own, or everything."""
        return self.role is Role.ADMIN or (self.key_id is not None and self.key_id == owner_id)
