"""`lpwd presets`: the studies that ship."""

from typing import Annotated

import typer

from service import presets
from service.cli import completion
from service.cli.output import JsonOption, cells, console, say, show_json, table

app = typer.Typer(invoke_without_command=True)


@app.callback()
def listing(context: typer.Context, as_json: JsonOption = False) -> None:
    """Studies that ship, ready to be sent.

    Without a command, list them.

    Example: lpwd presets
    """
    if context.invoked_subcommand is not None:
        return
    found = presets.everything()
    if as_json:
        show_json(
            {
                "name": one.name,
                "title": one.title,
                "description": one.description,
                "trials": one.trials,
                "datasets": one.datasets,
                "data_here": one.data_here,
                "study": one.study,
            }
            for one in found
        )
        return
    shown = table("preset", "trials", "task", "data", "title", right=["trials"], wrapped=["title"])
    for one in found:
        data = "here" if one.data_here else "to fetch"
        shown.add_row(*cells(one.name, f"{one.trials:,}", one.study["task"], data, one.title))
    console().print(shown)
    say("lpwd submit --preset NAME sends one, lpwd presets show NAME prints it")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(help="Name of a preset.", autocompletion=completion.presets)
    ],
) -> None:
    """Print a preset as a file that `lpwd submit` takes, to change what you like.

    Example: lpwd presets show ladder > study.yaml
    """
    typer.echo(presets.get(name).yaml, nl=False)
