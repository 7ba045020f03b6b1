"""`lpwd key`: who may use the service. Works on the database itself: the first key has to come from
somewhere."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from service.cli.output import JsonOption, cells, say, show_list, table
from service.cli.processes import open_database
from service.db import utcnow
from service.errors import InvalidRequestError
from service.keys import repository
from service.keys.model import NewKey, Role
from service.keys.schemas import MOST_DAYS, NAME, KeyAnswer
from service.settings import settings

app = typer.Typer(
    help="API keys: who may use the service. On its database, so where the service runs.",
    no_args_is_help=True,
)
errors = Console(stderr=True)

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
NameArgument = Annotated[str, typer.Argument(help="Name or id of the key.")]
ExpiresOption = Annotated[
    str | None,
    typer.Option(help="How long it opens anything: 12h, 90d, 4w, or never.", show_default=False),
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, or what for: studies show it.")],
    role: Annotated[
        Role,
        typer.Option(help="reader reads; submitter sends studies too; admin may do everything."),
    ] = Role.READER,
    expires: ExpiresOption = None,
) -> None:
    """Make a key and print it: once, as only its hash is kept.

    Example: lpwd key create ann --role submitter --expires 90d
    """
    if not re.fullmatch(NAME, name):
        raise InvalidRequestError(
            f"{name!r} is no name for a key: letters, digits, blanks and . _ @ + - are wanted, at "
            "most 100, beginning with a letter or digit"
        )
    with _writing() as session:
        made = repository.create(session, name=name, role=role, expires_at=_moment(expires))
    _tell(made)


@app.command("list")
def list_keys(as_json: JsonOption = False) -> None:
    """List all keys, without what they open.

    Example: lpwd key list
    """
    database = open_database(settings())
    with database.read() as session:
        keys = repository.everything(session)
    database.close()
    found = [KeyAnswer.model_validate(key) for key in keys]
    nothing = "no keys yet: lpwd key create NAME --role admin"
    show_list(found, _keys, as_json=as_json, nothing=nothing)


def _keys(found: Sequence[KeyAnswer]) -> Table:
    shown = table("id", "name", "role", "state", "made", "expires", "used", wrapped=["name"])
    for key in found:
        ends = "never" if key.expires_at is None else _day(key.expires_at)
        used = None if key.last_used_at is None else _day(key.last_used_at)
        shown.add_row(
            *cells(key.id, key.name, key.role, key.state, _day(key.created_at), ends, used)
        )
    return shown


@app.command()
def revoke(key: NameArgument) -> None:
    """Make a key open nothing from now on, for good. Its studies stay, its webhooks are off.

    Example: lpwd key revoke ann
    """
    with _writing() as session:
        revoked = repository.revoke(session, repository.find(session, key).id)
    say(f"key {revoked.name} ({revoked.id}) opens nothing any more")


@app.command()
def rotate(
    key: NameArgument,
    expires: Annotated[
        str | None,
        typer.Option(help="A new end: 12h, 90d or 4w from now. As it is, by default."),
    ] = None,
) -> None:
    """Give a key a new secret and print it: the old one opens nothing from now on.

    Example: lpwd key rotate ann --expires 90d
    """
    with _writing() as session:
        found = repository.find(session, key)
        made = repository.rotate(session, found.id, expires_at=_moment(expires))
    _tell(made)


def _tell(made: NewKey) -> None:
    """Print a key where a pipe takes it, and what people want to know beside it."""
    key = made.key
    until = "for ever" if key.expires_at is None else f"until {_day(key.expires_at)}"
    errors.print(
        f"key {key.name} ({key.id}), role {key.role}, {until}. Keep it now: it is not shown again.",
        soft_wrap=True,
    )
    print(made.token)  # noqa: T201 - to standard output, as it is
    errors.print("send it as Authorization: Bearer …, or set LPWD_API_KEY", soft_wrap=True)


def _moment(text: str | None) -> datetime | None:
    """Return when a time from now is over.

    Raises:
        InvalidRequestError: It is no time.
    """
    if text is None or text == "never":
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text)
    if found is None or int(found[1]) * UNITS[found[2]] > timedelta(days=MOST_DAYS):
        raise InvalidRequestError(
            f"--expires {text!r}: write 12h, 90d, 4w (ten years at most) or never"
        )
    return utcnow() + int(found[1]) * UNITS[found[2]]


@contextmanager
def _writing() -> Iterator[Session]:
    database = open_database(settings())
    try:
        with database.write() as session:
            yield session
    finally:
        database.close()


def _day(moment: datetime) -> str:
    """Write a time to the minute, in this machine's zone."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M %z}"
