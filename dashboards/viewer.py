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
    may_change: bool
    """Whether studies may be sent."""


VIEWER: ContextVar[Viewer | None] = ContextVar("viewer", default=None)
"""Set for the time of a request; None before it is known, and where no key opens anything."""
