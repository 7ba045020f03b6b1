"""Who needs a key: decided by where the service listens, never by who asks."""

import ipaddress
from dataclasses import dataclass

from service.access.model import Identity, Mode
from service.keys.model import Role
from service.settings import Settings, split_names


@dataclass(frozen=True)
class Policy:
    """What an installation demands of requests."""

    mode: Mode
    local: bool
    """Open because it listens on loopback alone: what came through a proxy did not start here, and
    needs a key."""
    hosts: frozenset[str] | None
    """Names it is asked by, in small letters, besides those of loopback; None: whatever name."""
    https: bool

    @property
    def anonymous(self) -> Identity | None:
        """Whom it takes a request without a key for; None where that may do nothing."""
        match self.mode:
            case Mode.OPEN:
                return Identity(Role.ADMIN)
            case Mode.READ_OPEN:
                return Identity(Role.READER)
            case Mode.KEYS:
                return None


def policy_of(settings: Settings) -> Policy:
    """Return what the settings demand."""
    local = is_loopback(settings.host)
    auto = settings.access == "auto"
    mode = (Mode.OPEN if local else Mode.KEYS) if auto else Mode(settings.access)
    named = frozenset(host.lower() for host in split_names(settings.allowed_hosts))
    return Policy(
        mode=mode,
        local=auto and local,
        # Beyond loopback without a list: it is not known by what names it is reached, and a page
        # that has its own name point here gets no cookie of ours along.
        hosts=named if named or local or mode is not Mode.KEYS else None,
        https=settings.https,
    )


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
