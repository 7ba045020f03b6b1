"""Which addresses may be told of what happens here: those of the internet alone.

Whoever makes a webhook has this service send requests. Without these checks they could be sent to
what only this machine reaches: itself, its neighbours, the metadata of the cloud it runs in.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from service.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST = 2000
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_TRANSLATED = (
    ipaddress.ip_network("64:ff9b:1::/48"),  # RFC 8215
    ipaddress.ip_network("::ffff:0:0:0/96"),  # RFC 2765
)
"""What a network of one's own may translate to IPv4 addresses, the metadata's too: how is its own
affair, so that they cannot be told (RFC 6052)."""
_UNICAST = ipaddress.ip_network("2000::/3")
"""All IPv6 addresses that the internet has; its registries give out no others (RFC 4291)."""
_NUMBER = re.compile(r"(?:[0-9]+|0[xX][0-9A-Fa-f]*)")
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")


class AddressError(ValueError):
    """Nothing is sent to an address; the message says why."""


@dataclass(frozen=True)
class Rules:
    """What an installation allows besides https to the internet."""

    http: bool = False
    private: bool = False


def rules_of(settings: Settings) -> Rules:
    """Return where the settings let webhooks be sent."""
    return Rules(http=settings.webhooks_allow_http, private=settings.webhooks_allow_private)


@dataclass(frozen=True)
class Target:
    """Where to connect to."""

    host: str
    port: int
    addresses: tuple[str, ...]
    """All of the host, every one checked."""


def check_url(url: str, rules: Rules) -> SplitResult:
    """Return the parts of a URL that may be a webhook's, as far as it can be told without asking.

    Raises:
        AddressError: It may not.
    """
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressError(f"a URL is printable ASCII without blanks, at most {LONGEST} characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressError(f"not a URL: {error}") from error
    if parts.scheme not in _PORTS:
        raise AddressError(f"the scheme {parts.scheme[:20]!r} is not https")
    if parts.scheme == "http" and not rules.http:
        raise AddressError(
            "http can be read on its way: use https, or set LPWD_WEBHOOKS_ALLOW_HTTP"
        )
    if parts.username is not None or parts.password is not None or "\\" in url:
        raise AddressError("user names and passwords in a URL are shown with it: leave them out")
    if parts.fragment:
        raise AddressError("a fragment (#…) is never sent: leave it out")
    if not parts.hostname or port == 0:
        raise AddressError("the URL names no host to send to")
    _check_host(parts.hostname, rules)
    return parts


def resolve(url: str, rules: Rules) -> Target:
    """Ask where a webhook's URL leads, and check all of it.

    Raises:
        AddressError: It leads nowhere, or one of its addresses may not be sent to.
    """
    parts = check_url(url, rules)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressError(f"{host} has no address") from error
    addresses = tuple(dict.fromkeys(str(one[4][0]) for one in found))
    check_addresses(host, addresses, rules)
    return Target(host, port, addresses)


def check_addresses(host: str, addresses: Sequence[str], rules: Rules) -> None:
    """Refuse a host of which any address may not be sent to.

    Raises:
        AddressError: It is one.
    """
    if not addresses:
        raise AddressError(f"{host} has no address")
    for address in addresses:
        kind = inner(ipaddress.ip_address(address.partition("%")[0]))
        if kind is not None and not (rules.private and kind not in NEVER):
            raise AddressError(
                f"{host} is {address}, {kind}: webhooks are sent to the internet alone"
                + ("" if kind in NEVER else ", unless LPWD_WEBHOOKS_ALLOW_PRIVATE is set")
            )


NEVER = frozenset(
    {
        "which is no address of a machine",
        "where clouds keep their machines' secrets",
        "of a translator, which may lead anywhere",
    }
)
"""Kinds that no setting allows."""
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # most of them
            "169.254.170.2",  # Amazon's containers
            "169.254.170.23",
            "fd00:ec2::254",  # Amazon by IPv6
            "fd00:ec2::23",
            "fd20:ce::254",  # Google by IPv6
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle
            "168.63.129.16",  # Azure: an address of the internet, but answered by the host
        ),
    )
)


def inner(address: Address) -> str | None:
    """Say why an address is none of the internet's; None where it is one."""
    within = _embedded(address)
    if within is not None:
        return inner(within)
    if address in _METADATA:
        return "where clouds keep their machines' secrets"
    if any(address in network for network in _TRANSLATED):
        return "of a translator, which may lead anywhere"
    if address.is_multicast or address.is_unspecified or address == _BROADCAST:
        return "which is no address of a machine"
    if address.is_loopback:
        return "this machine itself"
    if address.is_link_local or (isinstance(address, ipaddress.IPv6Address) and _site(address)):
        return "a neighbour's on the same link"
    if not address.is_global or (address.version == 6 and address not in _UNICAST):
        return "of a private network"
    return None


_BROADCAST = ipaddress.ip_address("255.255.255.255")


def _site(address: ipaddress.IPv6Address) -> bool:
    return address.is_site_local


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 one stands for, if any."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if int(address) >> 32 == 0 and int(address) > 1:  # ::a.b.c.d, long out of use
        return ipaddress.IPv4Address(int(address))
    return None


def _check_host(host: str, rules: Rules) -> None:
    """Refuse hosts that are seen to be of no use without asking for their addresses."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        check_addresses(host, [host], rules)
        return
    last = host.rstrip(".").rpartition(".")[2]
    if _NUMBER.fullmatch(last) or not _NAME.fullmatch(host) or len(host) > 253:
        # 127.1 and 0x7f000001 are addresses to some.
        raise AddressError(f"{host[:100]!r} is neither the name of a host nor an address")
    if last.lower() == "localhost" and not rules.private:
        raise AddressError(
            f"{host} is this machine itself: webhooks are sent to the internet alone, unless "
            "LPWD_WEBHOOKS_ALLOW_PRIVATE is set"
        )
