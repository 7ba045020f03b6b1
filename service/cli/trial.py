"""`lpwd trial`: single training runs."""

from typing import Annotated

import typer

from service.cli.connection import connected
from service.cli.output import JsonOption, cells, console, count, facts, moment, show_json, table
from service.client import Client

app = typer.Typer(help="Single training runs.", no_args_is_help=True)
LINES = 20
"""Epochs of a curve that are shown, at most."""


@app.callback()
def trial() -> None:
    """Single training runs."""


@app.command()
@connected
def show(
    client: Client,
    key: Annotated[str, typer.Argument(help="Key of the trial, as `lpwd study trials` lists it.")],
    as_json: JsonOption = False,
) -> None:
    """Show a trial: what was trained, what came of it, epoch by epoch.

    Example: lpwd trial show 0123456789abcdef0123456789abcdef
    """
    found = client.trial(key)
    if as_json:
        show_json(found)
        return
    own = ", ".join(f"{name}={value}" for name, value in found.hyperparameters.items())
    console().print(
        facts(
            [
                ("trial", found.key),
                ("state", found.state),
                ("why", found.reason),
                ("task", f"{found.task}, version {found.task_version}"),
                ("optimizer", f"{found.optimizer}, version {found.optimizer_version}"),
                ("hyperparameters", own),
                ("learning rate", f"{found.learning_rate:g}"),
                ("weight decay", f"{found.weight_decay:g}"),
                ("seed", found.seed),
                ("budget", f"{count(found.epochs, 'epoch')}, batches of {found.batch_size}"),
                ("validation score", _number(found.validation_score)),
                ("test score", _number(found.test_score)),
                ("time", None if found.seconds is None else f"{found.seconds:.2f} s"),
                ("device", found.device),
                ("finished", moment(found.finished_at)),
            ]
        )
    )
    names = list(found.curves)
    epochs = len(found.curves[names[0]]) if names else 0
    if not epochs:
        return
    shown = table("epoch", *(name.replace("_", " ") for name in names), right=["epoch", *names])
    every = -(-epochs // LINES)
    for epoch in sorted({*range(every, epochs + 1, every), 1, epochs}):
        values = (_number(found.curves[name][epoch - 1]) for name in names)
        shown.add_row(*cells(epoch, *values))
    console().print(shown)


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
