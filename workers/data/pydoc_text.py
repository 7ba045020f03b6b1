"""The text of CPython's own documentation, as its `help()` shows it."""

import hashlib
from functools import cache
from importlib import import_module

VOCABULARY = 97
"""Line feed, the 95 printable characters of ASCII, and one for whatever else there is."""


@cache
def topics() -> tuple[str, ...]:
    """Return every help topic in alphabetical order; empty where this Python has none.

    The text differs between versions of Python.
    """
    try:
        found: dict[str, str] = import_module("pydoc_data.topics").topics
    except ImportError:  # some distributions leave it out
        return ()
    return tuple(found[name] for name in sorted(found))


@cache
def fingerprint() -> str:
    """Return the SHA-256 of the text in UTF-8, topics divided by form feeds, in hexadecimal."""
    return hashlib.sha256("\f".join(topics()).encode()).hexdigest()


def version() -> int:
    """Return the first 24 bits of the fingerprint: tells one text from another in trials' names."""
    return int(fingerprint()[:6], 16)


def paragraphs() -> list[str]:
    """Return the paragraphs of all topics, each once.

    A fifth of the text is there twice: `if` and `for` have topics of their own and are part of
    `compound`. Left in, it would be learned in one split and tested in another.
    """
    found: dict[str, str] = {}
    for topic in topics():
        for paragraph in "\n".join(line.rstrip() for line in topic.splitlines()).split("\n\n"):
            words = " ".join(paragraph.split())
            if words:
                found.setdefault(words, paragraph.strip("\n"))
    return list(found.values())


def symbols() -> bytes:
    """Return the text, an empty line between paragraphs, as numbers below `VOCABULARY`."""
    text = "\n\n".join(paragraphs())
    return bytes(_symbol(ord(character)) for character in text)


def _symbol(code: int) -> int:
    if code == ord("\n"):
        return 0
    return code - 31 if 32 <= code < 127 else VOCABULARY - 1
