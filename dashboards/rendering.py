"""Vega-Lite specifications to pictures, in a process of their own.

vl-convert holds the interpreter lock while it draws, so it would stall every request of the
process it runs in. It is therefore imported only in a spawned child, one for each `Renderer`,
behind a cache: the same specification is drawn once.
"""

import hashlib
import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from dashboards.errors import RenderingError
from service.child_process import ChildLostError, ChildProcess

VEGA_LITE_VERSION = "5.20"
CACHED_PICTURES = 256
LONGEST_RENDER = 60.0
"""Seconds after which a render is given up, and its process with it."""

LONGEST_ASIDE = 300.0
"""Likewise, of anything else that is done there."""
Found = TypeVar("Found")

_TAG = re.compile(r"<[^<>]*>")
_ID = re.compile(r"""( id="|="url\(#| href="#)""")


class Renderer:
    """Draws specifications; thread-safe, started by its first picture, closed by its owner."""

    def __init__(self, cached: int = CACHED_PICTURES) -> None:
        self._cached = cached
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._drawing_lock = threading.Lock()
        self._child = ChildProcess()
        self._aside = ChildProcess()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def render_svg(self, spec: dict[str, Any]) -> str:
        """The specification as one ``<svg>`` element.

        Its ids begin with a hash of the specification, so that many fit on one page.
        """
        return self._picture(spec, "svg", 1).decode()

    def render_png(self, spec: dict[str, Any], scale: float = 2) -> bytes:
        """The specification as a PNG of ``scale`` pixels for each pixel of its own."""
        return self._picture(spec, "png", scale)

    def render_pdf(self, spec: dict[str, Any]) -> bytes:
        """The specification as a PDF of one page, just as large as the picture."""
        return self._picture(spec, "pdf", 1)

    def aside(self, function: Callable[..., Found], *arguments: Any) -> Found:
        """Call a module's function in a second child process: what takes memory or long.

        Raises:
            RenderingError: The process died twice, or it took longer than `LONGEST_ASIDE`.
        """
        try:
            return self._aside.call(function, *arguments, seconds=LONGEST_ASIDE)
        except ChildLostError as error:
            raise RenderingError(f"a file could not be made: {error}") from error

    def look(self) -> str:
        """Say how the child process is; one that was killed is started again.

        Raises:
            RenderingError: It cannot be started, or this renderer is closed.
        """
        if not self._child.pids:
            return "not started: no picture was asked for yet"
        if self._drawing_lock.acquire(blocking=False):
            try:
                return f"process {self._child.call(os.getpid, seconds=LONGEST_RENDER)}"
            except ChildLostError as error:
                raise RenderingError(f"charts cannot be drawn: {error}") from error
            finally:
                self._drawing_lock.release()
        return "drawing"

    def close(self) -> None:
        """End the child processes; a picture asked for afterwards raises."""
        self._child.close()
        self._aside.close()

    def _picture(self, spec: dict[str, Any], kind: str, scale: float) -> bytes:
        text = json.dumps(spec, sort_keys=True, separators=(",", ":"), allow_nan=False)
        key = hashlib.sha256(f"{kind}:{scale}:{text}".encode()).hexdigest()
        found = self._known(key)
        if found is None:
            with self._drawing_lock:
                found = self._known(key) or self._draw(text, kind, scale, key)
        return found

    def _known(self, key: str) -> bytes | None:
        with self._cache_lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
            return self._pictures.get(key)

    def _draw(self, text: str, kind: str, scale: float, key: str) -> bytes:
        try:
            picture = self._child.call(_convert, text, kind, scale, seconds=LONGEST_RENDER)
        except ChildLostError as error:
            raise RenderingError(f"a chart could not be drawn: {error}") from error
        except ValueError as error:
            raise RenderingError(f"not a chart that can be drawn: {error}") from error
        if kind == "svg":
            picture = unique_ids(picture.decode(), key[:8]).encode()
        with self._cache_lock:
            self._pictures[key] = picture
            while len(self._pictures) > self._cached:
                self._pictures.popitem(last=False)
        return picture


def unique_ids(svg: str, prefix: str) -> str:
    """The same picture with every id, and every reference to one, prefixed."""
    return _TAG.sub(lambda tag: _ID.sub(rf"\g<1>{prefix}-", tag.group()), svg)


def _convert(text: str, kind: str, scale: float) -> bytes:
    """In the child: draw."""
    import vl_convert  # only ever here: see the module's docstring

    if kind == "svg":
        svg: str = vl_convert.vegalite_to_svg(text, vl_version=VEGA_LITE_VERSION)
        return svg.encode()
    if kind == "pdf":
        pdf: bytes = vl_convert.vegalite_to_pdf(text, vl_version=VEGA_LITE_VERSION)
        return pdf
    png: bytes = vl_convert.vegalite_to_png(text, vl_version=VEGA_LITE_VERSION, scale=scale)
    return png
