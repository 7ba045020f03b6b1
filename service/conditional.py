"""Answers with an entity tag: a client that has one already is told so (RFC 9110, section 13)."""

import gzip
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, BinaryIO

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from workers.contracts import ENGINE_VERSION

CACHE_CONTROL = "private, no-cache"
"""May be kept by whoever asked, and not be used again without asking whether it still holds."""
NOT_CHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "What the client has, by `If-None-Match`, still holds"}
}
"""For `responses=`."""
VARY = {"Vary": "Accept-Encoding"}
"""The middleware that compresses adds it to what is sent plain."""
LEVEL, QUICK_LEVEL = 5, 1
"""Of compression: of large answers quick rather than thorough."""
LARGE = 1_000_000
"""Bytes from which an answer is large."""
SMALL = 500
"""Bytes below which compression is not worth it."""
PIECE = 256 * 1024
"""Bytes of a file that are sent at once."""

_SALT = f"{version('lpwd')} {ENGINE_VERSION}"


def tag(*parts: object) -> str:
    """Return a strong entity tag, without quotes, of what determines an answer byte for byte."""
    text = "\n".join([_SALT, *map(str, parts)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Representation:
    """An answer as it is sent, and its compressed form where that is smaller."""

    body: bytes
    zipped: bytes | None
    media_type: str
    etag: str
    """Without quotes; the compressed form's has a suffix, since its bytes are others."""
    filename: str

    @property
    def size(self) -> int:
        """Bytes of memory that it takes."""
        return len(self.body) + len(self.zipped or b"")


def represent(
    body: bytes, media_type: str, etag: str, filename: str, *, compress: bool = True
) -> Representation:
    """Make an answer, compressed as well where that is wanted and pays."""
    zipped = None
    if compress and len(body) >= SMALL:
        zipped = gzip.compress(body, LEVEL if len(body) < LARGE else QUICK_LEVEL, mtime=0)
    return Representation(body, zipped, media_type, etag, filename)


def known(request: Request, etag: str) -> str | None:
    """Return which form of an answer the client says it has: its tag, or None.

    Args:
        request: Whose `If-None-Match` is read.
        etag: Of the answer, without quotes.
    """
    given = request.headers.get("if-none-match")
    if given is None:
        return None
    tags = [one.strip().removeprefix("W/").strip('"') for one in given.split(",")]
    if tags == ["*"]:
        return etag
    return next((one for one in tags if one in (etag, f"{etag}-gzip")), None)


def unchanged(etag: str) -> Response:
    """Say that the client has it already."""
    return Response(status_code=304, headers={**_headers(etag), **VARY})


def send(request: Request, found: Representation) -> Response:
    """Answer in the form that the client takes, or with 304 where it has it already."""
    same = known(request, found.etag)
    if same is not None:
        return unchanged(same)
    headers = {
        **_headers(found.etag),
        "Content-Disposition": f'inline; filename="{found.filename}"',
    }
    body = found.body
    if found.zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = found.zipped
        headers |= {"Content-Encoding": "gzip", "ETag": f'"{found.etag}-gzip"', **VARY}
    return Response(body, media_type=found.media_type, headers=headers)


def send_json(request: Request, body: bytes, filename: str) -> Response:
    """Answer with JSON that is at hand, tagged by what it says."""
    etag = tag(filename, hashlib.sha256(body).hexdigest())
    same = known(request, etag)
    if same is not None:
        return unchanged(same)
    return send(request, represent(body, "application/json", etag, filename))


def send_file(
    file: BinaryIO, media_type: str, etag: str, filename: str, *, weak: bool = False
) -> Response:
    """Answer with a file, a piece at a time, and close it.

    Args:
        file: Closed at the end.
        media_type: What it is.
        etag: Without quotes.
        filename: For who saves it.
        weak: Whether it may be compressed on its way, so that its tag does not stand for its bytes.
    """
    length = os.fstat(file.fileno()).st_size
    headers = {
        **_headers(etag),
        "ETag": f'{"W/" if weak else ""}"{etag}"',
        "Content-Disposition": f'attachment; filename="{filename}"',
        "Content-Length": str(length),
    }
    return StreamingResponse(_pieces(file), media_type=media_type, headers=headers)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


def _headers(etag: str) -> Mapping[str, str]:
    return {"ETag": f'"{etag}"', "Cache-Control": CACHE_CONTROL}
