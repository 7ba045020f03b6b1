"""Signatures of what webhooks are sent, as https://www.standardwebhooks.com has them: pure.

Three headers: `webhook-id` names the delivery, the same at every try; `webhook-timestamp` is the
moment of this try, in seconds since 1970; `webhook-signature` is ``v1,`` and the base64 of the
HMAC-SHA256 of ``id.timestamp.body``. A receiver refuses signatures that are wrong, timestamps that
are old and ids that it has seen.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping

PREFIX = "whsec_"
SECRET_BYTES = 32
TOLERANCE = 300.0
"""Seconds that a timestamp may be away from a receiver's clock."""


def new_secret() -> str:
    """Return a secret to sign with, in the form that libraries of the standard take."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, delivery_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a body.

    Args:
        secret: As `new_secret` made it.
        delivery_id: Names the delivery.
        timestamp: Seconds since 1970.
        body: As it is sent.
    """
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{_signature(secret, delivery_id, str(timestamp), body)}",
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Tell whether a body was signed with a secret just now: for receivers.

    Args:
        secret: The webhook's.
        headers: Of the request, with names in small letters.
        body: As it came.
        now: The receiver's clock, in seconds since 1970.
    """
    try:
        delivery_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        given = headers["webhook-signature"].split()
        if abs(now - int(timestamp)) > TOLERANCE:
            return False
        wanted = f"v1,{_signature(secret, delivery_id, timestamp, body)}"
    except (KeyError, ValueError, binascii.Error):
        return False
    return any(hmac.compare_digest(one.encode(), wanted.encode()) for one in given)


def _signature(secret: str, delivery_id: str, timestamp: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
