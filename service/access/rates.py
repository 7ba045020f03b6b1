"""How often somebody may ask."""

import ipaddress
import math
import time
from enum import StrEnum

import limits
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from service.access.model import Identity
from service.errors import TooManyRequestsError
from service.settings import OFF, Settings

NETWORK = 64
"""Bits of an IPv6 address that are one sender's: the rest are the sender's to choose."""


class Kind(StrEnum):
    """What is counted apart."""

    READS = "reads"
    WRITES = "writes"
    LOGINS = "logins"


class Rates:
    """Counts requests of this process; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        """Count up to what the settings allow."""
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._limits = {
            kind: limits.parse(rate)
            for kind in Kind
            if (rate := getattr(settings, f"rate_{kind}")) != OFF
        }

    def count(self, kind: Kind, sender: str) -> None:
        """Count a request.

        Args:
            kind: What it counts as.
            sender: Whose it is, as `sender` says.

        Raises:
            TooManyRequestsError: There were too many.
        """
        limit = self._limits.get(kind)
        if limit is None or self._limiter.hit(limit, kind, sender):
            return
        after = self._limiter.get_window_stats(limit, kind, sender).reset_time
        seconds = max(1, math.ceil(after - time.time()))
        raise TooManyRequestsError(
            f"{limit} {kind} are allowed here (LPWD_RATE_{kind.upper()}); try again in {seconds} s",
            seconds=seconds,
        )


def sender(identity: Identity | None, address: str) -> str:
    """Return whose request it is: a key's, or without one an address's."""
    if identity is not None and identity.key_id is not None:
        return f"key {identity.key_id}"
    return f"address {network(address)}"


def network(address: str) -> str:
    """Return the addresses that one sender has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, NETWORK), strict=False))
    return address
