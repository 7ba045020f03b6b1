"""Who is asking."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.keys.model import Role


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


async def _identity(request: Request) -> Identity:
    found: Identity = request.state.identity
    return found


IdentityOf = Annotated[Identity, Depends(_identity)]
