"""Which service a command talks to, as whom, and about which study."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli import completion
from service.client import Client, NotFound
from service.settings import settings

WHOLE = 12
"""Characters of a study's id."""

ServerOption = Annotated[
    str | None,
    typer.Option(
        envvar="LPWD_SERVER",
        show_envvar=True,
        help="Address of the service; by default the one on this machine.",
        metavar="URL",
    ),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        help="File with the API key; by default LPWD_API_KEY holds it.",
        metavar="FILE",
    ),
]
StudyArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="The study's id, or the beginning of it.",
        autocompletion=completion.studies,
    ),
]


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command of a function that begins with a client: options say which service, as whom.

    Args:
        command: What to do; its first argument is the `Client`.
    """
    signature = inspect.signature(command, eval_str=True)
    _, *own = signature.parameters.values()
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in (("server", ServerOption), ("api_key_file", KeyOption))
    ]

    @wraps(command)
    def with_client(*, server: str | None, api_key_file: Path | None, **given: Any) -> None:
        with connect(server, api_key_file) as client:
            command(client, **given)

    with_client.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*own, *added]
    )
    return with_client


@contextmanager
def connect(
    server: str | None = None, api_key_file: Path | None = None, **options: Any
) -> Iterator[Client]:
    """Talk to the service that the options name, or to the one on this machine.

    Raises:
        typer.BadParameter: The address is none, or the key's file holds none.
    """
    try:
        client = Client(server or local(), api_key=_key(api_key_file), **options)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    with client:
        yield client


def local() -> str:
    """Return the address at which `lpwd serve` listens here."""
    here = settings()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(here.host, here.host)  # noqa: S104 - to call
    return f"http://{f'[{host}]' if ':' in host else host}:{here.port}"


def study_id(client: Client, beginning: str) -> str:
    """Return the id of the one study that begins so.

    Args:
        client: Where to ask.
        beginning: An id, or its first characters.

    Raises:
        NotFound: None does.
        typer.BadParameter: Several do.
    """
    if len(beginning) >= WHOLE or not beginning.isalnum():
        return beginning  # the service says what is wrong with it
    found = [one for one in client.studies(text=beginning) if one.id.startswith(beginning)]
    if not found:
        raise NotFound(
            404,
            "not-found",
            "Not found",
            f"no study's id begins with {beginning!r}; `lpwd study list` shows them",
        )
    if len(found) > 1:
        names = "".join(f"\n  {one.id}  {one.name}" for one in found[:10])
        more = f"\n  and {len(found) - 10} more" if len(found) > 10 else ""
        raise typer.BadParameter(f"{len(found)} studies begin with {beginning!r}:{names}{more}")
    return found[0].id


def _key(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        key = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}") from error
    if not key:
        raise typer.BadParameter(f"{file} is empty; it should hold an API key")
    return key
