"""The `lpwd` command."""

import sys

import typer

from service.cli import config, data, db, health, keys, presets, processes, studies
from service.client import ClientError
from service.db.backup import BackupError
from service.errors import ServiceError
from service.settings import SettingsError
from service.study_file import StudyFileError
from workers.errors import WorkersError

app = typer.Typer(
    name="lpwd",
    help="Hyperparameter robustness of optimizers: LPWD against its baselines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(processes.serve)
app.command()(studies.demo)
app.command()(studies.submit)
app.command()(studies.watch)
app.command()(studies.cancel)
app.command()(processes.api)
app.command()(processes.runner)
app.command()(processes.scheduler)
app.command()(health.health)
app.add_typer(presets.app, name="presets")
app.add_typer(data.app, name="data")
app.add_typer(keys.app, name="key")
app.add_typer(db.app, name="db")
app.add_typer(config.app, name="config")

ANTICIPATED = (
    BackupError,
    ClientError,
    StudyFileError,
    ServiceError,
    SettingsError,
    processes.CannotStartError,
    WorkersError,
)


def main() -> None:
    """Run the command line; errors that people can act on are one line, not a traceback."""
    try:
        app()
    except ANTICIPATED as error:
        print(f"lpwd: {error}", file=sys.stderr)  # noqa: T201 - the last words of a command
        sys.exit(1)
