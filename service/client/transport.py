"""Requests and answers: addresses, keys, retries, errors, files."""

import os
import secrets
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from service.client.errors import NotFound, NotUnderstood, Refused, ServiceAway, refused
from service.client.retries import BROKEN, BUSY, Retries, retry_after

DEFAULT = "http://127.0.0.1:8000"
"""Where `lpwd serve` listens."""
API = "/api/v1"
REPEATABLE = frozenset({"GET", "PUT", "PATCH", "DELETE"})
"""Methods that may be sent twice: the second time changes nothing more."""

Model = TypeVar("Model", bound=BaseModel)
Item = TypeVar("Item")


class Transport:
    """Talks to one service; the methods that people call are built on this."""

    def __init__(
        self,
        server: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: Retries | int | None = None,
        verify: ssl.SSLContext | bool | None = None,
        http: httpx.BaseTransport | None = None,
    ) -> None:
        """Talk to a service.

        Args:
            server: Its address, such as ``http://127.0.0.1:8000``; by default what the environment
                variable `LPWD_SERVER` says, or else this.
            api_key: A key, where the service wants one; by default what `LPWD_API_KEY` says.
            timeout: Seconds that the service may be silent.
            retries: How often a request is sent again that failed for a moment.
            verify: How to check the certificate of an ``https`` address: by default against the
                usual authorities, or those in the file that `SSL_CERT_FILE` names.
            http: Carries the requests instead of the network.

        Raises:
            ValueError: The address is not one of http or https, or the key is not one line of
                ASCII.
        """
        chosen = server or os.environ.get("LPWD_SERVER") or DEFAULT
        self.server = chosen.rstrip("/")
        if not self.server.startswith(("http://", "https://")):
            raise ValueError(f"{chosen!r} is no address; one such as {DEFAULT} is wanted")
        key = os.environ.get("LPWD_API_KEY", "") if api_key is None else api_key
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ValueError("the API key holds something else than letters, digits and signs")
        self._retries = retries if isinstance(retries, Retries) else Retries()
        if isinstance(retries, int):
            self._retries = Retries(most=retries)
        self._http = httpx.Client(
            base_url=self.server,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout,
            verify=_verification() if verify is None else verify,
            trust_env=False,  # no proxy between this machine and itself
            transport=http,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.server!r})"  # never the key

    def close(self) -> None:
        """Close the connections; a `with` block does it by itself."""
        self._http.close()

    def _ask(
        self,
        operation: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: object = None,
        content: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
        once: bool = False,
        deletes: bool = False,
        **places: object,
    ) -> httpx.Response:
        """Send a request, again where that is safe and may help; return its success.

        Args:
            operation: Method and path as the API's description has them.
            query: Parameters; those that are None are left out.
            json: Body.
            content: Body, in pieces; gone through anew whenever it is sent again.
            headers: Further headers.
            repeatable: Whether it may be sent twice, though its method does not say so.
            once: Whether a failure is an answer too: it is not sent again.
            deletes: Whether what is gone at the second try was deleted by the first.
            places: Values for the path.

        Raises:
            ServiceAway: Nothing answered.
            Refused: The service answered with an error.
        """
        request = self._request(operation, query, headers, places, json=json, content=content)
        again = repeatable or request.method in REPEATABLE
        tried, uncertain = 0, False
        while True:
            tried += 1
            try:
                answer = self._http.send(request)
            except httpx.TransportError as error:
                failure: ServiceAway | Refused = self._away(error)
                uncertain = True
            else:
                if answer.is_success:
                    return answer
                failure = _refusal(answer)
                if deletes and uncertain and isinstance(failure, NotFound):
                    return answer  # that of the first try was lost
            pause = None if once else self._pause(failure, tried, again)
            if pause is None:
                raise failure
            time.sleep(pause)

    def _request(
        self,
        operation: str,
        query: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        places: Mapping[str, object],
        **body: Any,
    ) -> httpx.Request:
        """Build a request from its operation and what fills it in."""
        method, _, template = operation.partition(" ")
        path = template.format_map({name: _segment(value) for name, value in places.items()})
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._http.build_request(
            method,
            path if template.startswith(("/healthz", "/readyz", "/metrics")) else API + path,
            params=given,
            headers=dict(headers or {}),
            **{name: value for name, value in body.items() if value is not None},
        )

    def _read(self, model: type[Model], operation: str, **request: Any) -> Model:
        """Send a request and read its answer."""
        return parsed(model.model_validate_json, self._ask(operation, **request))

    def _list(self, model: type[Model], operation: str, **request: Any) -> list[Model]:
        """Send a request and read the list that it answers."""
        adapter: TypeAdapter[list[Model]] = TypeAdapter(list[model])  # type: ignore[valid-type]
        return parsed(adapter.validate_json, self._ask(operation, **request))

    def _pages(
        self,
        page: type[BaseModel],
        operation: str,
        *,
        by: str,
        query: Mapping[str, Any] | None = None,
        **places: object,
    ) -> Iterator[Any]:
        """Yield the items of a list, page by page, as they are wanted.

        Args:
            page: Model of a page: its items, and where the next one begins.
            operation: Method and path.
            by: The parameter that says where a page begins: ``cursor`` or ``offset``.
            query: Further parameters.
            places: Values for the path.
        """
        start: object = None
        while True:
            found = self._read(page, operation, query={**(query or {}), by: start}, **places)
            yield from found.items  # type: ignore[attr-defined]
            start = getattr(found, f"next_{by}")
            if start is None:
                return

    def _save(self, to: str | os.PathLike[str], operation: str, **request: Any) -> Path:
        """Stream an answer into a file, which is there in full or not at all.

        Raises:
            OSError: The file cannot be written.
        """
        target = Path(to)
        kept = {name: request.pop(name) for name in ("query", "headers") if name in request}
        sent = self._request(operation, kept.get("query"), kept.get("headers"), request)
        tried = 0
        while True:
            tried += 1
            try:
                with self._streamed(sent) as answer, _replacing(target) as file:
                    for chunk in answer.iter_bytes():
                        file.write(chunk)
                return target
            except (ServiceAway, Refused) as failure:
                pause = self._pause(failure, tried, again=True)
                if pause is None:
                    raise
                time.sleep(pause)

    @contextmanager
    def _streamed(
        self, request: httpx.Request, timeout: float | None = None
    ) -> Iterator[httpx.Response]:
        """Open an answer without reading it; what breaks while it is read is a `ServiceAway`.

        Args:
            request: What to ask.
            timeout: Seconds of silence, where they are not the client's.
        """
        if timeout is not None:
            request.extensions["timeout"] = httpx.Timeout(timeout).as_dict()
        try:
            answer = self._http.send(request, stream=True)
            try:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer)
                yield answer
            finally:
                answer.close()
        except httpx.TransportError as error:
            raise self._away(error) from error

    def _away(self, error: httpx.TransportError) -> ServiceAway:
        why = str(error) or type(error).__name__
        away = ServiceAway(
            f"no service answers at {self.server} ({why}); start one with `lpwd serve`, or "
            "name another with --server or LPWD_SERVER"
        )
        away.__cause__ = error
        return away

    def _pause(self, failure: ServiceAway | Refused, tried: int, again: bool) -> float | None:
        """Return the seconds to wait before the same request is sent again; None where it is not.

        Args:
            failure: Of the last try.
            tried: Tries so far.
            again: Whether sending it twice does what sending it once does.
        """
        if isinstance(failure, Refused):
            worthwhile = failure.status in BUSY or (again and failure.status in BROKEN)
            return self._retries.pause(tried, failure.retry_after) if worthwhile else None
        worthwhile = again or isinstance(failure.__cause__, httpx.ConnectError)
        return self._retries.pause(tried) if worthwhile else None


def _verification() -> ssl.SSLContext | bool:
    """Check certificates against the authorities of SSL_CERT_FILE, where that is set."""
    authorities = os.environ.get("SSL_CERT_FILE")
    return ssl.create_default_context(cafile=authorities) if authorities else True


def _segment(value: object) -> str:
    """Write a value as one segment of a path, which stays one whatever it holds."""
    text = quote(str(value), safe="")
    return text.replace(".", "%2E") if set(text) <= {"."} else text


def _refusal(answer: httpx.Response) -> Refused:
    try:
        body = answer.json()
    except ValueError:
        body = None
    asked = retry_after(answer.headers.get("Retry-After"))
    return refused(answer.status_code, body, text=answer.text, retry_after=asked)


def parsed(read: Callable[[bytes], Item], answer: httpx.Response) -> Item:
    """Read an answer.

    Raises:
        NotUnderstood: It is not what was expected.
    """
    try:
        return read(answer.content)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else repr(error)
        raise NotUnderstood(
            f"{answer.request.method} {answer.request.url.path} was answered with something that "
            f"this client does not know; is it as old as the service? ({why})"
        ) from error


@contextmanager
def _replacing(target: Path) -> Iterator[Any]:
    """Write a file beside its place, and put it there when it is whole."""
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            yield file
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
