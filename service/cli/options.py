"""Options that commands for several things have."""

from typing import Annotated, Any

import typer

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what it would cost.")]
WatchOption = Annotated[
    bool, typer.Option("--watch", "-w", help="Stay, show progress, end with the table.")
]
LimitOption = Annotated[int, typer.Option(min=1, help="List as many, at most.")]
AllOption = Annotated[bool, typer.Option("--all", help="List all of them.")]


def changes(**asked: Any) -> dict[str, Any]:
    """Return what is to be changed, without what was not named.

    Raises:
        typer.BadParameter: That is nothing.
    """
    named = {field: value for field, value in asked.items() if value is not None}
    if not named:
        raise typer.BadParameter("name what to change; --help lists it")
    return named


def confirm(question: str, yes: bool) -> None:
    """Ask before something is gone; without a terminal to ask on, refuse.

    Raises:
        typer.Abort: The answer is no, or there is nobody to give one.
    """
    if yes:
        return
    try:
        typer.confirm(question, abort=True)
    except typer.Abort:
        typer.echo("nothing was changed; --yes does not ask", err=True)
        raise
