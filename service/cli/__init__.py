"""The `lpwd` command."""

import gc
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from service.cli.lazy import Entry, lazily

STUDIES, CATALOGUE, SERVICE, PROCESSES = (
    "Studies",
    "What studies may name",
    "The service",
    "Run the service",
)
GARBAGE = (10_000, 20, 20)
"""New objects, and collections of the young, after which garbage is looked for. Of what a start
imports nothing is, and to look for it as often as Python does takes a tenth of that start."""
COMMANDS = {
    "submit": Entry("service.cli.sending:submit", "Send a study.", STUDIES),
    "watch": Entry(
        "service.cli.following:watch",
        "Show a study's progress until it ends, then its results.",
        STUDIES,
    ),
    "cancel": Entry(
        "service.cli.study.changing:cancel", "Cancel a queued or running study.", STUDIES
    ),
    "study": Entry(
        "service.cli.study:app", "Studies: list, show, change, export and compare them.", STUDIES
    ),
    "trial": Entry("service.cli.trial:app", "Single training runs.", STUDIES),
    "schedule": Entry(
        "service.cli.schedule:app", "Schedules: studies that are sent by the clock.", STUDIES
    ),
    "webhook": Entry(
        "service.cli.webhook:app", "Webhooks: addresses that are told of what happens.", STUDIES
    ),
    "queue": Entry("service.cli.queue:queue", "What is trained, and what comes next.", SERVICE),
    "runners": Entry("service.cli.queue:runners", "The runners, and what each works on.", SERVICE),
    "devices": Entry(
        "service.cli.queue:devices", "The devices, and what each trains now.", SERVICE
    ),
    "optimizers": Entry(
        "service.cli.optimizers:app", "Optimizers, and their hyperparameters.", CATALOGUE
    ),
    "tasks": Entry("service.cli.tasks:app", "Tasks: data, model and metric.", CATALOGUE),
    "presets": Entry("service.cli.presets:app", "Studies that ship, ready to be sent.", CATALOGUE),
    "data": Entry(
        "service.cli.data:app", "The data sets that tasks need: list and fetch them.", CATALOGUE
    ),
    "serve": Entry(
        "service.cli.processes:serve",
        "Run everything on this machine: API and dashboard, runner, scheduler and a local Ray.",
        PROCESSES,
    ),
    "demo": Entry(
        "service.cli.demo:demo",
        "Run the demo study through a service of its own: 525 trials on real digits.",
        PROCESSES,
    ),
    "api": Entry(
        "service.cli.processes:api", "Run the REST API and the dashboard alone.", PROCESSES
    ),
    "runner": Entry(
        "service.cli.processes:runner",
        "Run a runner: it takes studies from the queue and has Ray workers train them.",
        PROCESSES,
    ),
    "scheduler": Entry(
        "service.cli.processes:scheduler",
        "Run the scheduler: it fires schedules when their time has come, and sends webhooks.",
        PROCESSES,
    ),
    "health": Entry(
        "service.cli.health:health",
        "Tell whether a process of this host is well; the exit status is 1 where it is not.",
        PROCESSES,
    ),
    "key": Entry(
        "service.cli.keys:app",
        "API keys: who may use the service. On its database, so where the service runs.",
        PROCESSES,
    ),
    "config": Entry(
        "service.cli.config:app",
        "Settings: options, then the environment, .env, a TOML file, defaults.",
        PROCESSES,
    ),
    "db": Entry(
        "service.cli.db:app",
        "The database: tables, backups, and whether it makes sense.",
        PROCESSES,
    ),
}
"""Every command of the first level, in the order in which help lists them."""

app = typer.Typer(
    name="lpwd",
    cls=lazily(COMMANDS),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 all is well · 1 a study failed or was cancelled, or something did not "
    "work · 2 the command or the request is wrong · 3 the service is away or busy · 4 a key is "
    "needed, or may not do this · 130 Ctrl-C",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lpwd {version('lpwd')}")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[
        bool,
        typer.Option(
            "--version", help="Tell the version, and exit.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Hyperparameter robustness of optimizers: LPWD against its baselines.

    Start a service with `lpwd serve`, send it a study with `lpwd submit --preset nightly --watch`.
    """


def main() -> None:
    """Run the command line; errors that people can act on are one line, not a traceback."""
    gc.set_threshold(*GARBAGE)
    try:
        app(prog_name="lpwd")
    except Exception as error:
        from service.cli.endings import status_of  # knows all errors, which takes a while

        status = status_of(error)
        if status is None:
            raise
        print(f"lpwd: {error}", file=sys.stderr)  # noqa: T201 - the last words of a command
        sys.exit(status)
