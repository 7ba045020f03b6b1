"""Who looks at a page, for its frame."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Viewer:
    """Whom the service takes the sender of a request for."""

    name: str | None
    """Of the key; None where none came along and none was needed."""
    role: str
    signed_in: bool
    """Whether there is something to sign out from."""
    may_sign_in: bool
    """Whether signing in would let more be done."""
    may_send: bool
    """Whether studies may be sent."""
    may_change_all: bool
    """Whether studies of others may be changed, too."""

    def may_change(self, owner: str | None) -> bool:
        """Whether a study may be changed.

        Args:
            owner: Name of the key it was sent with, which no other key has.
        """
        return self.may_change_all or (
            self.may_send and self.name is not None and self.name == owner
        )


VIEWER: ContextVar[Viewer | None] = ContextVar("viewer", default=None)
"""Set for the time of a request; None before it is known, and where no key opens anything."""
