"""`lpwd watch`: a study's progress until it ends, then its results."""

import json
import sys
import time
from collections.abc import Callable, Iterable

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from service.cli import tables
from service.cli.connection import StudyArgument, connected, study_id
from service.cli.endings import Status
from service.cli.output import JsonOption, console, plain, say
from service.client import Client
from service.studies.answers import StudyAnswer
from service.studies.model import StudyState

LINE_EVERY = 5.0
"""Seconds between two lines of progress where there is no terminal, unless what is done changes."""


@connected
def watch(client: Client, study: StudyArgument, as_json: JsonOption = False) -> None:
    """Show a study's progress until it ends, then its results.

    In a pipe, progress is a line every few seconds; with --json, an object a line. Ctrl-C ends the
    watching alone: the study goes on.

    Example: lpwd watch 3fa9
    """
    finish(follow(client, study_id(client, study), as_json=as_json))


def follow(
    client: Client,
    study: str,
    *,
    look: Callable[[], None] = lambda: None,
    listen: bool = True,
    as_json: bool = False,
) -> StudyAnswer:
    """Show progress until a study ends, then its table; returns how it ended.

    Args:
        client: Where it is.
        study: Its id.
        look: Called at every sign of progress.
        listen: Whether to wait for events, or look again and again.
        as_json: Whether to print JSON.
    """
    states = client.watch(study, listen=listen)
    try:
        if as_json:
            ended = _lines_of_json(states)
        elif sys.stdout.isatty():
            ended = _bar(states, look)
        else:
            ended = _lines(states, look)
    except KeyboardInterrupt:
        typer.echo(f"the study goes on: lpwd watch {study}, or lpwd cancel {study}", err=True)
        raise typer.Exit(Status.INTERRUPTED) from None
    if not as_json:
        show_results(client, ended)
    return ended


def show_results(client: Client, study: StudyAnswer) -> None:
    """Print the table of a study's results, where it has any."""
    if study.search is not None:
        console().print(tables.best_points(client.search(study.id)))
    elif study.finished:
        console().print(tables.robustness(client.results(study.id)))


def finish(study: StudyAnswer) -> None:
    """Leave with an exit status that says whether the study was trained in full."""
    if study.state is StudyState.DONE:
        return
    why = f": {study.error}" if study.error else ""
    typer.echo(f"study {study.id} is {study.state}{why}", err=True)
    raise typer.Exit(Status.FAILED)


def progress_line(study: StudyAnswer) -> str:
    """Say how far a study has come."""
    said = [str(study.state), come(study), f"{100 * study.progress:.0f} %"]
    return ", ".join([*said, *left(study), *activity(study)])


def come(study: StudyAnswer) -> str:
    """Say how far a study has come, in what it counts."""
    if study.search is None:
        return f"{study.finished}/{study.trials} trials"
    if study.search.seconds_at_most is not None:
        return f"{study.search.ended} points"  # time ends it, not their number
    return f"{study.search.ended}/{study.search.points} points"


def left(study: StudyAnswer) -> list[str]:
    """Say how long it still takes, where that is known."""
    return [] if study.eta_seconds is None else [f"{study.eta_seconds:.0f} s left"]


def activity(study: StudyAnswer) -> list[str]:
    """Say what the runner is at, where that is not the study's trials."""
    return [] if study.activity is None else [study.activity]


def _bar(states: Iterable[StudyAnswer], look: Callable[[], None]) -> StudyAnswer:
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[trials]}"),
        TimeElapsedColumn(),
        console=console(),
    )
    with progress:
        bar = progress.add_task("queued", total=1.0, trials="")
        for study in states:
            progress.update(
                bar,
                completed=study.progress,
                description=str(study.state),
                trials=", ".join([come(study), *left(study), *activity(study)]),
            )
            look()
    return study


def _lines(states: Iterable[StudyAnswer], look: Callable[[], None]) -> StudyAnswer:
    shown, at, about = "", 0.0, None
    for study in states:
        line, now = progress_line(study), time.monotonic()
        due = (study.state, study.activity) != about or now - at >= LINE_EVERY
        if due and line != shown:
            say(line)
            sys.stdout.flush()
            shown, at, about = line, now, (study.state, study.activity)
        look()
    return study


def _lines_of_json(states: Iterable[StudyAnswer]) -> StudyAnswer:
    for study in states:
        typer.echo(json.dumps(plain(study), ensure_ascii=False))
        sys.stdout.flush()
    return study
