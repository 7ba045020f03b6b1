"""When to try again, and after how long: pure, but for the dice."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

BUSY = frozenset({429, 503})
"""Statuses that say that nothing was done: whatever was asked may be asked again."""
BROKEN = frozenset({502, 504})
"""Statuses of a proxy, which does not know whether something was done."""


@dataclass(frozen=True)
class Retries:
    """How often, and how patiently, a request is sent again.

    Pauses double, with chance in them so that many clients do not come back at once.
    """

    most: int = 4
    """Tries after the first."""
    first: float = 0.2
    """Seconds of the first pause, at most."""
    longest: float = 8.0
    """Seconds of any pause that the service did not ask for."""
    patience: float = 60.0
    """Seconds that the service may ask to wait; when it asks for more, that is an error."""

    def pause(
        self,
        tried: int,
        asked: float | None = None,
        dice: Callable[[], float] = random.random,
    ) -> float | None:
        """Return the seconds to wait before the next try; None when there is none.

        Args:
            tried: Tries so far, at least 1.
            asked: Seconds that the service asked for.
            dice: A number in [0, 1).
        """
        if tried > self.most:
            return None
        if asked is not None:
            return asked if asked <= self.patience else None
        return float(min(self.longest, self.first * 2 ** (tried - 1)) * (0.5 + dice() / 2))


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Read a `Retry-After` header: seconds, or a date. None where it says nothing sensible."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
