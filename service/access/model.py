"""Who needs a key."""

from enum import StrEnum


class Mode(StrEnum):
    """Who needs a key."""

    OPEN = "open"
    """Nobody."""
    READ_OPEN = "read-open"
    """Whoever changes something."""
    KEYS = "keys"
    """Everybody."""
