"""Commands that are imported when they are wanted, so that help and completion are quick."""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


class Entry(NamedTuple):
    """Where a command is, and what `--help` says of it."""

    home: str
    """Module and attribute, ``module:attribute``: a function, or a `typer.Typer` with commands."""
    help: str
    """The first line of its own help."""
    panel: str
    """Heading under which it is listed."""


def lazily(entries: Mapping[str, Entry]) -> type[TyperGroup]:
    """Make a class of groups that import their commands when these are run or completed.

    Args:
        entries: The commands by name, in the order to list them.
    """

    class Group(TyperGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            for name, entry in entries.items():  # what a list needs: name and help alone
                stub = TyperCommand(name, help=entry.help, rich_help_panel=entry.panel)
                self.add_command(stub, name)

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            """Return the command that is going to be run, imported."""
            name, command, rest = super().resolve_command(ctx, args)
            if name is not None and command is not None:
                command = load(name, entries[name])
            return name, command, rest

    return Group


def load(name: str, entry: Entry) -> Any:
    """Import a command.

    Args:
        name: What it is called.
        entry: Where it is.
    """
    module, _, attribute = entry.home.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return get_group(found)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(found)
    return get_command(alone)
