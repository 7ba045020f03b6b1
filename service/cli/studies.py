"""`lpwd submit`, `watch`, `cancel` and `demo`."""

import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from service import presets
from service.cli import tables
from service.cli.processes import CannotStartError, everything
from service.client import Client
from service.settings import settings, with_options
from service.signals import stop_on_signals
from service.studies.model import StudyState
from service.studies.schemas import StudyAnswer, StudyPlan
from service.study_file import StudyFileError, parse
from service.supervisor import GaveUpError

console = Console()

START_PATIENCE = 60.0
"""Seconds the API may take to answer after it was started."""

ServerOption = Annotated[
    str | None,
    typer.Option(envvar="LPWD_SERVER", help="Address of the service; the one on this machine."),
]
IdArgument = Annotated[str, typer.Argument(help="Id of the study.")]


def submit(
    file: Annotated[
        Path | None, typer.Argument(help="Study in YAML or JSON; - for standard input.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Send this one of those that `lpwd presets` lists, instead of a file."),
    ] = None,
    server: ServerOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, show progress, end with the table.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would cost.")
    ] = False,
) -> None:
    """Send a study to a running service."""
    study = _wanted(file, preset)
    with Client(server or _local()) as client:
        if dry_run:
            _tell(client.plan(study))
            return
        created = client.submit(study)
        _tell(created)
        console.print(f"study {created.study.id}: {client.page(created.study.id)}", soft_wrap=True)
        if watch:
            _finish(_watch(client, created.study.id))


def watch(study_id: IdArgument, server: ServerOption = None) -> None:
    """Show a study's progress until it ends, then its table."""
    with Client(server or _local()) as client:
        _finish(_watch(client, study_id))


def cancel(study_id: IdArgument, server: ServerOption = None) -> None:
    """Cancel a queued or running study. Finished trials keep their results."""
    with Client(server or _local()) as client:
        console.print(f"study {study_id}: {client.cancel(study_id).state}")


def demo(
    folder: Annotated[Path, typer.Option(help="Where database and pictures go.")] = Path("demo"),
) -> None:
    """Run the demo study through a service of its own: 525 trials on real digits."""
    here = with_options(
        data_dir=folder,
        database_url="",
        host="127.0.0.1",
        port=_free_port(),
        ray_address="local",
    )
    stop = threading.Event()
    stop_on_signals(stop)
    console.print("starting a service: API, runner, scheduler and a local Ray")
    supervisor = everything(here)

    def look() -> None:
        """Between two questions: keep the processes up, and end when told to."""
        supervisor.look()
        if stop.is_set():
            raise typer.Exit(130)

    began = time.monotonic()
    try:
        supervisor.start()
        with Client(f"http://127.0.0.1:{here.port}") as client:
            _await(client, look)
            created = client.submit(presets.get("demo").study)
            _tell(created)
            ended = _watch(client, created.study.id, look)
            if ended.state is StudyState.DONE:
                for kind in ("png", "svg"):
                    picture = client.export(ended.id, folder / f"heatmap.{kind}")
                    console.print(f"wrote {picture}")
    except GaveUpError as error:
        raise CannotStartError(str(error)) from error
    finally:
        supervisor.stop()
    _finish(ended)
    console.print(f"{ended.trials} trials, {time.monotonic() - began:.0f} s in all")
    console.print(
        f"dashboard: {_me()} serve --data-dir {folder}, then open {_local()}/studies/{ended.id}",
        soft_wrap=True,
    )


def _tell(plan: StudyPlan) -> None:
    if plan.points is None:
        console.print(f"{plan.trials} trials: {plan.known} known already, {plan.missing} to train")
    else:
        console.print(
            f"up to {plan.points:,} points, {plan.trials:,} trials, {plan.epochs:,} epochs in all"
        )
    if plan.estimated_worker_seconds:
        console.print(
            f"about {plan.estimated_worker_seconds:.0f} s of one worker, judging by this task's "
            "trials so far"
        )


def _watch(client: Client, study_id: str, look: Callable[[], None] = lambda: None) -> StudyAnswer:
    """Show progress until a study ends, then its table; returns how it ended."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[trials]}"),
        TimeElapsedColumn(),
        console=console,
    )
    try:
        with progress:
            bar = progress.add_task("queued", total=1.0, trials="")
            for study in client.watch(study_id, listen=False):
                progress.update(
                    bar,
                    completed=study.progress,
                    description=str(study.state),
                    trials=f"{_come(study)}{_left(study)}",
                )
                look()
    except KeyboardInterrupt:
        console.print(
            f"the study goes on: lpwd watch {study_id}, or lpwd cancel {study_id}", soft_wrap=True
        )
        raise typer.Exit(130) from None
    if study.search is not None:
        console.print(tables.best_points(client.search(study_id).model_dump()))
    elif study.finished:
        console.print(tables.robustness(client.results(study_id)))
    return study


def _come(study: StudyAnswer) -> str:
    """Say how far a study has come, in what it counts."""
    if study.search is None:
        return f"{study.finished}/{study.trials} trials"
    if study.search.seconds_at_most is not None:
        return f"{study.search.ended} points"  # time ends it, not their number
    return f"{study.search.ended}/{study.search.points} points"


def _left(study: StudyAnswer) -> str:
    return "" if study.eta_seconds is None else f", {study.eta_seconds:.0f} s left"


def _finish(study: StudyAnswer) -> None:
    """Leave with an exit status that says whether the study was trained in full."""
    if study.state is StudyState.DONE:
        return
    why = f": {study.error}" if study.error else ""
    console.print(f"study {study.id} is {study.state}{why}")
    raise typer.Exit(1)


def _await(client: Client, look: Callable[[], None]) -> None:
    """Wait for the API to answer."""
    deadline = time.monotonic() + START_PATIENCE
    while not client.ready():
        look()
        if time.monotonic() > deadline:
            raise CannotStartError(f"the API did not answer within {START_PATIENCE:.0f} s")
        time.sleep(0.1)


def _local() -> str:
    """Return the address at which `lpwd serve` listens here."""
    here = settings()
    host = f"[{here.host}]" if ":" in here.host else here.host
    return f"http://{host}:{here.port}"


def _me() -> str:
    """Name this command as it was called, so that the next one can be pasted."""
    return sys.argv[0] if Path(sys.argv[0]).name == "lpwd" else "lpwd"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wanted(file: Path | None, preset: str | None) -> dict[str, Any]:
    """Return the study to send: what a file holds, or a preset."""
    if file is not None and preset is None:
        return parse(_read(file), origin=str(file))
    if preset is not None and file is None:
        return presets.get(preset).study
    raise StudyFileError(
        "name the study to send: a file, or one that ships (lpwd submit --preset NAME; "
        "lpwd presets lists them), and not both"
    )


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise StudyFileError(f"{file} cannot be read: {error}") from error
