"""`lpwd presets`: the studies that ship."""

from typing import Annotated

import typer

from service import presets
from service.cli import completion
from service.cli.output import JsonOption, cells, console, say, show_json, table
from service.search.model import StudyMode

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
                "mode": one.mode,
                "trials": one.trials,
                "datasets": one.datasets,
                "data_here": one.data_here,
                "study": one.study,
            }
            for one in found
        )
        return
    heads = ("preset", "mode", "trials", "task", "data", "title")
    shown = table(*heads, right=["trials"], wrapped=["title"])
    for one in found:
        most = "≤ " if one.mode is StudyMode.SEARCH else ""
        data = "here" if one.data_here else "to fetch"
        task = one.study["task"]
        shown.add_row(*cells(one.name, one.mode, f"{most}{one.trials:,}", task, data, one.title))
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
