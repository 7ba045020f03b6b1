"""`lpwd tasks`: what studies may train."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from service.catalogue.schemas import TaskAnswer
from service.cli import completion
from service.cli.connection import connected
from service.cli.output import JsonOption, cells, console, facts, show_json, show_list, table
from service.client import Client

app = typer.Typer(invoke_without_command=True)


@app.callback()
@connected
def listing(client: Client, context: typer.Context, as_json: JsonOption = False) -> None:
    """Tasks: data, model and metric.

    Without a command, list those that studies may name.

    Example: lpwd tasks
    """
    if context.invoked_subcommand is None:
        after = "lpwd tasks show NAME tells more of one; lpwd data fetch brings data to the service"
        show_list(client.tasks(), _tasks, as_json=as_json, after=after)


def _tasks(found: Sequence[TaskAnswer]) -> Table:
    shown = table("task", "metric", "epochs", "data", "title", right=["epochs"], wrapped=["title"])
    for one in found:
        here = "here" if one.here else "to fetch"
        shown.add_row(*cells(one.name, one.metric.name, one.epochs, here, one.title))
    return shown


@app.command()
@connected
def show(
    client: Client,
    name: Annotated[str, typer.Argument(help="Name of the task.", autocompletion=completion.tasks)],
    as_json: JsonOption = False,
) -> None:
    """Show a task: model, data, metric and default budget.

    Example: lpwd tasks show digits-mlp
    """
    found = client.task(name)
    if as_json:
        show_json(found)
        return
    metric = found.metric
    train, validation, test = found.examples
    console().print(
        facts(
            [
                ("task", f"{found.name}, version {found.version}"),
                ("title", found.title),
                ("what it is", found.summary),
                (
                    "metric",
                    f"{metric.name}, {'more' if metric.maximize else 'less'} is better; guessing "
                    f"scores {metric.chance:g}",
                ),
                ("budget", f"{found.epochs} epochs, batches of {found.batch_size}, by default"),
                ("examples", f"{train:,} train, {validation:,} validation, {test:,} test"),
                ("augmentation", found.augmentation),
                ("data sets", ", ".join(found.datasets)),
                (
                    "data",
                    "where the service runs"
                    if found.here
                    else f"to fetch: lpwd data fetch {' '.join(found.datasets)}",
                ),
                ("licence", found.licence),
                ("source", found.source),
            ]
        )
    )
