"""What must not be shown: passwords, keys and tokens, wherever they stand. Pure."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"

_NAMES = re.compile(
    r"(^|[_-])(authorization|cookie|token|password|passwd|secret|api[_-]?key|signature)s?($|[_-])",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/@:]*:)[^\s/]*(@)", re.IGNORECASE)
_CREDENTIALS = re.compile(r"\b(bearer|basic)(\s+)[\w.~+/=-]{6,}", re.IGNORECASE)
_HEADER = re.compile(
    r"""(\b(?:proxy-)?authorization|\b(?:set-)?cookie|\bx-api-key)(["']?\s*[:=]\s*["']?)"""
    r"""[^\r\n"']+""",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    r"""(\b[\w-]*(?:token|password|passwd|secret|api[_-]?key)["']?\s*[:=]\s*["']?)[^\s"'&,;)]+""",
    re.IGNORECASE,
)
_SIGNING = re.compile(r"\bwhsec_[A-Za-z0-9+/=]{8,}")
"""What signs the deliveries to a webhook."""
_KEY = re.compile(r"\blpwd_[A-Za-z0-9]+_[A-Za-z0-9_-]{8,}")
"""An API key of this service."""


_PERHAPS = re.compile(
    r"://|authorization|cookie|api[_-]?key|bearer|basic|token|passw|secret|lpwd_|whsec_",
    re.IGNORECASE,
)
"""What a text holds in which any of these finds something: most hold none of it."""


def hide(value: Any) -> Any:
    """Return the same text, mapping or list without secrets; other values as they are."""
    if isinstance(value, str):
        return hide_in(value)
    if isinstance(value, bytes):
        return hide_in(value.decode(errors="replace"))
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if _is_secret(name) and item is not None else hide(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [hide(item) for item in value]
    return value


def hide_in(text: str) -> str:
    """Return a text in which secrets are replaced."""
    if not _PERHAPS.search(text):
        return text
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\g<1>{HIDDEN}\g<2>", text)
    text = _HEADER.sub(rf"\g<1>\g<2>{HIDDEN}", text)
    text = _CREDENTIALS.sub(rf"\g<1>\g<2>{HIDDEN}", text)
    text = _ASSIGNED.sub(rf"\g<1>{HIDDEN}", text)
    text = _SIGNING.sub(f"whsec_{HIDDEN}", text)
    return _KEY.sub(f"lpwd_{HIDDEN}", text)


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and _NAMES.search(name) is not None
