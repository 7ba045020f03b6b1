"""What a key looks like, and how one is compared: pure.

``lpwd_<id>_<secret>``: the id may be shown, the secret is 256 random bits, of which the database
holds the SHA-256 alone. A secret that nobody can guess needs no slow hash.
"""

import hashlib
import hmac
import re
import secrets

PREFIX = "lpwd"
ID_BYTES = 6
SECRET_BYTES = 32
_TOKEN = re.compile(
    rf"{PREFIX}_(?P<id>[0-9a-f]{{{2 * ID_BYTES}}})_(?P<secret>[0-9a-f]{{{2 * SECRET_BYTES}}})"
)
LENGTH = len(PREFIX) + 2 * ID_BYTES + 2 * SECRET_BYTES + 2
"""Characters of a key."""
NO_HASH = "0" * 64
"""What the secret of an unknown key is compared with; nothing has this hash."""


def new_id() -> str:
    """Return an id for a new key."""
    return secrets.token_hex(ID_BYTES)


def new_secret() -> str:
    """Return a secret for a key."""
    return secrets.token_hex(SECRET_BYTES)


def token(key_id: str, secret: str) -> str:
    """Return a key as it is sent."""
    return f"{PREFIX}_{key_id}_{secret}"


def parse(text: str) -> tuple[str, str] | None:
    """Return the id and the secret of a key; None where a text is none."""
    found = _TOKEN.fullmatch(text)
    return None if found is None else (found["id"], found["secret"])


def digest(secret: str) -> str:
    """Return what the database keeps of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, kept: str | None) -> bool:
    """Tell whether a secret is the one that was kept, in a time that does not depend on either.

    Args:
        secret: As it was sent.
        kept: Its `digest`; None where there is no such key, which takes as long to find out.
    """
    return hmac.compare_digest(digest(secret), kept or NO_HASH) and kept is not None
