"""Where a request comes from, as far as it can be told: pure.

A page in somebody's browser can send requests here, and, where it has its own name point to this
machine, read the answers. Browsers say in headers that pages cannot set who sends and to whom.
"""

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from service.access.rules import READING

PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Headers that proxies add. What they say is not believed, only that there was one."""
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_LOCAL = frozenset({"localhost", "ip6-localhost"})


def host_name(host: str) -> str:
    """Return the name in a Host header, in small letters, without its port."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].removesuffix(".")


def known_host(hosts: Sequence[str], wanted: frozenset[str] | None) -> bool:
    """Tell whether a request names this service.

    Args:
        hosts: Every Host header it has.
        wanted: Names of this service besides those of loopback; None: whatever name.
    """
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0].strip()):
        return False
    name = host_name(hosts[0])
    return wanted is None or name in wanted or name in _LOCAL or _is_loopback(name)


def foreign_page(method: str, headers: Headers) -> str | None:
    """Tell whether another site's page has a browser send a request that changes something.

    Returns:
        Why it looks so; None where it does not.
    """
    if method in READING:
        return None
    site = headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        return f"Sec-Fetch-Site is {site[:40]!r}"
    origin = headers.get("origin")
    if origin is not None and _without_port(origin) != headers.get("host", "").strip().lower():
        return f"Origin is {origin[:100]!r}"
    return None


def from_a_page_of_ours(headers: Headers) -> bool:
    """Whether a browser vouches for it that a page of this service sent a request."""
    return "origin" in headers or headers.get("sec-fetch-site") == "same-origin"


def proxied(headers: Headers) -> str | None:
    """Return the header that shows that a request came through a proxy; None where none does."""
    return next((name for name in PROXIED if name in headers), None)


def _without_port(origin: str) -> str | None:
    """Return what a Host header says of an origin: its port only where that is not the default."""
    try:
        parts = urlsplit(origin.strip().lower())
        default = {"http": 80, "https": 443}.get(parts.scheme)
        if default is None or parts.hostname is None:
            return None
        name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return name if parts.port in {None, default} else f"{name}:{parts.port}"
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
