"""`lpwd submit`: sending a study."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from service import presets
from service.cli import completion
from service.cli.connection import connected
from service.cli.following import finish, follow
from service.cli.options import DryRunOption, WatchOption
from service.cli.output import JsonOption, count, say, show_json
from service.client import Client
from service.studies.answers import StudyPlan
from service.study_file import StudyFileError, parse


@connected
def submit(
    client: Client,
    file: Annotated[
        Path | None, typer.Argument(help="Study in YAML or JSON; - for standard input.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Send this one of those that `lpwd presets` lists, instead of a file.",
            autocompletion=completion.presets,
        ),
    ] = None,
    watch: WatchOption = False,
    dry_run: DryRunOption = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option(help="Send it once, however often this is run with the same key."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Send a study.

    Trials that have a result already, from whatever study, are not trained again.

    Example: lpwd submit study.yaml --watch
    """
    study = wanted(file, preset)
    if dry_run:
        plan = client.plan(study)
        show_json(plan) if as_json else tell(plan)
        return
    created = client.submit(study, idempotency_key=idempotency_key)
    if as_json and not watch:
        show_json(created)
    if not as_json:
        tell(created)
        say(f"study {created.study.id}: {client.page(created.study.id)}")
    if watch:
        finish(follow(client, created.study.id, as_json=as_json))


def tell(plan: StudyPlan) -> None:
    """Say what a study costs."""
    if plan.points is None:
        say(f"{count(plan.trials, 'trial')}: {plan.known} known already, {plan.missing} to train")
    else:
        points, trials = count(plan.points, "point"), count(plan.trials, "trial")
        say(f"up to {points}, {trials}, {count(plan.epochs or 0, 'epoch')} in all")
    if plan.estimated_worker_seconds:
        say(
            f"about {plan.estimated_worker_seconds:.0f} s of one worker, judging by this task's "
            "trials so far"
        )


def wanted(file: Path | None, preset: str | None) -> dict[str, Any]:
    """Return the study to send: what a file holds, or a preset.

    Raises:
        StudyFileError: Both are given, or neither; or the file holds no study.
    """
    if file is not None and preset is None:
        return parse(read(file), origin=str(file))
    if preset is not None and file is None:
        return presets.get(preset).study
    raise StudyFileError(
        "name the study to send: a file, or one that ships (lpwd submit --preset NAME; "
        "lpwd presets lists them), and not both"
    )


def read(file: Path) -> str:
    """Return what a file holds, or standard input where it is called -.

    Raises:
        StudyFileError: It cannot be read.
    """
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise StudyFileError(f"{file} cannot be read: {error}") from error
