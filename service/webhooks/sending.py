"""One request to a receiver: to a checked address, no redirects, so long and so large at most."""

import json
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from service.webhooks import addresses, signing
from service.webhooks.addresses import AddressError, Rules

SILENCE = 5.0
"""Seconds that a receiver may be silent."""
LONGEST = 10.0
"""Seconds that a request may take."""
LARGEST = 16_384
"""Bytes of an answer that are read; what they are does not matter."""
USER_AGENT = "lpwd-webhooks/1"


@dataclass(frozen=True)
class Outcome:
    """What came of a try."""

    status: int | None
    """What the receiver answered; None where it did not."""
    error: str | None
    """What went wrong; None where nothing did."""
    gone: bool = False
    """Whether the receiver asks not to be told any more."""

    @property
    def delivered(self) -> bool:
        """Whether the receiver has it."""
        return self.error is None


class Pinned(httpx.BaseTransport):
    """Connects to the addresses that were checked, whatever the host's name leads to meanwhile.

    The name stays in the Host header, and is the one that the certificate has to bear.
    """

    def __init__(self, target: addresses.Target) -> None:
        """Connect to `target`."""
        self._target = target
        self._inner = httpx.HTTPTransport(
            verify=_authorities(), trust_env=False, limits=httpx.Limits(max_connections=1)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first of the addresses that takes it."""
        request.extensions = {**request.extensions, "sni_hostname": self._target.host}
        refused: httpx.TransportError | None = None
        for address in self._target.addresses:
            request.url = request.url.copy_with(host=address, port=self._target.port)
            try:
                return self._inner.handle_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                refused = error
        assert refused is not None  # noqa: S101 - there is an address
        raise refused

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()


def deliver(
    url: str, secret: str, delivery_id: str, body: Mapping[str, Any], rules: Rules
) -> Outcome:
    """Send a signed body to a URL, once."""
    content = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    try:
        target = addresses.resolve(url, rules)
    except AddressError as error:
        return Outcome(None, str(error))
    headers = signing.sign(secret, delivery_id, int(time.time()), content) | {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
    }
    transport = Pinned(target)
    # Each silence is bounded below; this bounds receivers that are never silent and never done.
    ending = threading.Timer(LONGEST, transport.close)
    ending.daemon = True
    ending.start()
    began = time.monotonic()
    try:
        with (
            httpx.Client(transport=transport, timeout=SILENCE, trust_env=False) as client,
            client.stream("POST", url, content=content, headers=headers) as answer,
        ):
            _drain(answer, began)
            return _judged(answer.status_code)
    except httpx.TimeoutException:
        return Outcome(None, f"the receiver was silent for {SILENCE:.0f} s")
    except (httpx.HTTPError, httpx.StreamError, ssl.SSLError, OSError, RuntimeError) as error:
        if time.monotonic() - began >= LONGEST:
            return Outcome(None, f"the receiver was not done after {LONGEST:.0f} s")
        return Outcome(None, f"{type(error).__name__}: {str(error)[:300]}")
    finally:
        ending.cancel()
        transport.close()


def _drain(answer: httpx.Response, began: float) -> None:
    """Read a little of an answer, so that the receiver may finish what it says."""
    taken = 0
    for chunk in answer.iter_raw():
        taken += len(chunk)
        if taken > LARGEST or time.monotonic() - began > LONGEST:
            return


def _judged(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome(status, None)
    if 300 <= status < 400:
        return Outcome(status, f"the receiver answered {status}, and redirects are not followed")
    return Outcome(status, f"the receiver answered {status}", gone=status == 410)


def _authorities() -> ssl.SSLContext:
    """Check certificates against the usual authorities, or those of SSL_CERT_FILE."""
    return httpx.create_ssl_context(trust_env=True)
