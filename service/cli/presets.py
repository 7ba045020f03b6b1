"""`lpwd presets`: the studies that ship."""

from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from service import presets

app = typer.Typer(help="Studies that ship, ready to be sent.", invoke_without_command=True)


@app.callback()
def listing(context: typer.Context) -> None:
    """List the studies that ship; send one with `lpwd submit --preset NAME`."""
    if context.invoked_subcommand is not None:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("preset", no_wrap=True)
    table.add_column("trials", justify="right", no_wrap=True)
    table.add_column("task", no_wrap=True)
    table.add_column("data", no_wrap=True)
    table.add_column("title")
    for preset in presets.everything():
        data = "here" if preset.data_here else "to fetch"
        count = f"{preset.trials:,}"
        table.add_row(preset.name, count, preset.study["task"], data, preset.title)
    console = Console()
    console.print(table)
    console.print("lpwd submit --preset NAME sends one, lpwd presets show NAME prints it")


@app.command()
def show(name: Annotated[str, typer.Argument(help="Name of a preset.")]) -> None:
    """Print a preset as a file that `lpwd submit` takes, to change what you like."""
    typer.echo(presets.get(name).yaml, nl=False)
