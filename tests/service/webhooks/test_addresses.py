"""Which addresses may be told of what happens here."""

import ipaddress
import socket

import pytest

from service.webhooks.addresses import AddressError, Rules, check_url, inner, resolve

NOT_OF_THE_INTERNET = """
    127.0.0.1 127.8.9.1 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1
    169.254.1.1 169.254.169.254 169.254.170.2 100.64.0.1 100.127.255.255 192.0.0.1
    192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1
    255.255.255.255 :: ::1 fe80::1 fec0::1 fc00::1 fd12:3456::1 fd00:ec2::254 ff02::1
    2001:db8::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1
    64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1:: 2002:a00:1::
    2001:0:4136:e378:8000:63bf:80ff:fffe
    64:ff9b:1::808:808 64:ff9b:1:a00:1:: ::ffff:0:7f00:1 4000::1 100:0:0:1::1
    168.63.129.16 100.100.100.200 192.0.0.192
"""
OF_THE_INTERNET = """
    1.1.1.1 8.8.8.8 93.184.216.34 2606:4700:4700::1111 ::ffff:8.8.8.8
"""


@pytest.mark.parametrize("address", NOT_OF_THE_INTERNET.split())
def test_addresses_of_no_internet_are_told_apart(address):
    assert inner(ipaddress.ip_address(address)) is not None
    shown = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressError):
        check_url(f"https://{shown}/", Rules())
    with pytest.raises(AddressError):
        resolve(f"https://{shown}/", Rules())


@pytest.mark.parametrize("address", OF_THE_INTERNET.split())
def test_addresses_of_the_internet_are_fine(address):
    assert inner(ipaddress.ip_address(address)) is None
    shown = f"[{address}]" if ":" in address else address
    assert check_url(f"https://{shown}/hook", Rules()).hostname == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/hook",
        "//example.org/hook",
        "http://example.org/hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "https://",
        "https:///hook",
        "https://user:password@example.org/",
        "https://user@example.org/",
        "https://example.org@127.0.0.1/",
        "https://example.org/#fragment",
        "https://example.org:99999/",
        "https://example.org:0/",
        "https://exa mple.org/",
        "https://example.org/\r\nX-Injected: 1",
        "https://example.org\\@127.0.0.1/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://x.localhost/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://exämple.org/",
        "https://" + "a" * 2000,
    ],
)
def test_urls_that_are_none_or_lead_inside_are_refused(url):
    with pytest.raises(AddressError):
        check_url(url, Rules())


def test_a_name_is_refused_when_one_of_its_addresses_is(monkeypatch):
    def found(host, port, **_):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("93.184.216.34", "10.0.0.7")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with pytest.raises(AddressError, match=r"10\.0\.0\.7"):
        resolve("https://example.org/", Rules())
    assert resolve("https://example.org/", Rules(private=True)).port == 443


def test_a_name_without_an_address_is_said_so():
    with pytest.raises(AddressError, match="no address"):
        resolve("https://nobody.invalid/", Rules())


def test_metadata_stays_out_of_reach_whatever_is_allowed():
    clouds = ("169.254.169.254", "[fd20:ce::254]", "168.63.129.16", "100.100.100.200")
    within = ("[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a9fe:a9fe]")
    shifted = ("[64:ff9b:1:a9fe:a9:fe00::]", "[::ffff:0:a9fe:a9fe]")
    for address in (*clouds, *within, *shifted, "0.0.0.0", "224.0.0.1"):
        with pytest.raises(AddressError):
            check_url(f"https://{address}/latest/meta-data", Rules(http=True, private=True))
    assert check_url("http://127.0.0.1:8080/", Rules(http=True, private=True)).port == 8080
