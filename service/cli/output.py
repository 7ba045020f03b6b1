"""What commands print: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

Item = TypeVar("Item")

PIPE_WIDTH = 200
"""Columns of what is no terminal: there, nothing has to be cut to fit."""


def console() -> Console:
    """Return the console, on standard output as it is now."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(width=width, highlight=False, markup=False)


def say(text: str) -> None:
    """Print a line, however long."""
    console().print(Text(text), soft_wrap=True)


def show_json(value: object) -> None:
    """Print answers of the service, or plain data, as JSON."""
    typer.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def show_list(
    found: Sequence[Item],
    as_table: Callable[[Sequence[Item]], Table],
    *,
    as_json: bool,
    nothing: str = "",
    after: str = "",
) -> None:
    """Print a list: as JSON, or as a table where there is something in it.

    Args:
        found: What to print.
        as_table: Makes the table.
        as_json: Whether to print JSON, which is a list whatever is in it.
        nothing: What to say instead of an empty table.
        after: What to say below the table.
    """
    if as_json:
        show_json(found)
    elif nothing and not found:
        say(nothing)
    else:
        console().print(as_table(found))
        if after:
            say(after)


def plain(value: object) -> Any:
    """Turn answers, and lists of them, into what JSON can say."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(one) for name, one in vars(value).items()}
    if isinstance(value, Mapping):
        if any(isinstance(name, tuple) for name in value):  # the cells of a map
            return [plain(one) for one in value.values()]
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [plain(one) for one in value]
    return value


def table(*columns: str, right: Iterable[str] = (), wrapped: Iterable[str] = ()) -> Table:
    """Begin a table.

    Args:
        columns: Their headings.
        right: Those that hold numbers.
        wrapped: Those whose text may take several lines.
    """
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in columns:
        made.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=name not in wrapped,
            overflow="fold" if name in wrapped else "ellipsis",
        )
    return made


def facts(rows: Iterable[tuple[str, object]]) -> Table:
    """Make a table of names and values; rows without a value are left out."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        if value is not None and value != "":
            made.add_row(name, value if isinstance(value, Text) else Text(str(value)))
    return made


def cells(*values: object) -> list[Text]:
    """Return the cells of a row as they are, whatever markup they may hold."""
    return [Text("-" if value is None else str(value)) for value in values]


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """Say how long ago something was, roughly."""
    if moment is None:
        return "-"
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if seconds < 0:
        return f"in {_span(-seconds)}"
    return "just now" if seconds < 10 else f"{_span(seconds)} ago"


def duration(seconds: float | None) -> str:
    """Say how long something takes."""
    return "-" if seconds is None else _span(seconds)


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def moment(when: datetime | None) -> str | None:
    """Write a time in this machine's zone."""
    return None if when is None else when.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def rates(values: Iterable[float]) -> str:
    """Write rates as people do."""
    return ", ".join(f"{value:g}" for value in values)


def count(number: int, thing: str, things: str | None = None) -> str:
    """Write a number of things: 1 trial, 2 trials, 1 study, 2 studies."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"
