"""`lpwd trial`: single training runs."""

import json
import math
import sys
from typing import Annotated

import typer

from service.cli.connection import connected
from service.cli.output import (
    JsonOption,
    cells,
    console,
    count,
    facts,
    moment,
    say,
    show_json,
    table,
)
from service.client import Client
from service.trials.reproducing import parse
from workers.contracts import CURVES

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
                ("last loss", found.last_loss),
                ("studies", ", ".join(f"{one.id} ({one.name})" for one in found.studies)),
            ]
        )
    )
    say(f"again: {found.reproduce}")  # in one line, to be pasted
    names = list(found.curves)
    epochs = len(found.curves[names[0]]) if names else 0
    if not epochs:
        return
    columns = ["epoch", *(name.replace("_", " ") for name in names)]
    shown = table(*columns, right=columns)
    every = -(-epochs // LINES)
    for epoch in sorted({*range(every, epochs + 1, every), 1, epochs}):
        values = (_number(found.curves[name][epoch - 1]) for name in names)
        shown.add_row(*cells(epoch, *values))
    console().print(shown)


@app.command()
def run(
    trial: Annotated[
        str, typer.Argument(help="The trial in JSON, as `reproduce` of a trial says; - for input.")
    ],
    gpu: Annotated[bool, typer.Option("--gpu", help="Train on a GPU instead of the CPU.")] = False,
    alone: Annotated[
        bool, typer.Option("--alone", help="Without a stack, as large models are trained.")
    ] = False,
) -> None:
    """Train one trial again, here, and print its values after every epoch as JSON.

    Needs no service. On the machine that trained it the numbers are the same to the last bit; a
    trial that was trained in a pack of its own (large models) needs --alone for that.

    Example: lpwd trial show KEY --json | jq -r .reproduce | sh
    """
    spec = parse(sys.stdin.read() if trial == "-" else trial)
    from workers.again import train_again  # takes seconds: it imports torch

    curves, diverged, device = train_again(spec, gpu=gpu, alone=alone)
    values = {
        name: [float(value) if math.isfinite(value) else None for value in column]
        for name, column in zip(CURVES, curves.T, strict=True)
    }
    typer.echo(
        json.dumps(
            {
                "key": spec.key,
                "state": "diverged" if diverged else "done",
                "reason": diverged,
                "device": device.trained_on,
                "curves": values,
            },
            indent=2,
        )
    )


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
