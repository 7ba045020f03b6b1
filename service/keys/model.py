"""What a key may do."""

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
