"""`lpwd optimizers`: the optimizers that studies may name."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from service.catalogue.schemas import OptimizerAnswer
from service.cli import completion
from service.cli.connection import connected
from service.cli.output import (
    JsonOption,
    cells,
    console,
    facts,
    say,
    show_json,
    show_list,
    table,
)
from service.client import Client

app = typer.Typer(invoke_without_command=True)


@app.callback()
@connected
def listing(client: Client, context: typer.Context, as_json: JsonOption = False) -> None:
    """Optimizers, and their hyperparameters.

    Without a command, list those that studies may name.

    Example: lpwd optimizers
    """
    if context.invoked_subcommand is None:
        after = "lpwd optimizers show NAME tells of one and its hyperparameters"
        show_list(client.optimizers(), _optimizers, as_json=as_json, after=after)


@app.command()
@connected
def show(
    client: Client,
    name: Annotated[
        str,
        typer.Argument(help="Name of the optimizer.", autocompletion=completion.optimizers),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show an optimizer, and the hyperparameters a study may set.

    Example: lpwd optimizers show adam-lpwd
    """
    found = client.optimizer(name)
    if as_json:
        show_json(found)
        return
    console().print(
        facts(
            [
                ("optimizer", found.name),
                ("title", found.title),
                ("what it does", found.summary),
                ("base update", found.base),
                ("decay rule", found.rule),
                ("role", found.role),
                ("source", found.source),
                ("version", found.version),
                ("learning rate", f"{found.default_learning_rate:g} by default"),
                ("weight decay", f"{found.default_weight_decay:g} by default"),
            ]
        )
    )
    shown = table("hyperparameter", "default", "values", "what it is", wrapped=["what it is"])
    for own, schema in found.hyperparameters.get("properties", {}).items():
        values = allowed(schema)
        shown.add_row(*cells(own, _plain(schema.get("default")), values, schema.get("description")))
    if shown.row_count:
        console().print(shown)
    else:
        say("It has no hyperparameters besides these two.")


def _optimizers(found: Sequence[OptimizerAnswer]) -> Table:
    shown = table("optimizer", "title", "role", "what it does", wrapped=["what it does"])
    for one in found:
        shown.add_row(*cells(one.name, one.title, one.role, one.summary))
    return shown


def allowed(schema: dict[str, Any]) -> str:
    """Say which values a hyperparameter may have, from its JSON Schema."""
    if "enum" in schema:
        return ", ".join(map(_plain, schema["enum"]))
    ends = {
        "≥": schema.get("minimum"),
        ">": schema.get("exclusiveMinimum"),
        "≤": schema.get("maximum"),
        "<": schema.get("exclusiveMaximum"),
    }
    kind = schema.get("type", "")
    kinds = kind if isinstance(kind, str) else " or ".join(kind)
    return " ".join([kinds, *(f"{sign} {end:g}" for sign, end in ends.items() if end is not None)])


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
