"""`lpwd demo`: a study from nothing to pictures."""

import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from service import presets
from service.cli.connection import local
from service.cli.endings import Status
from service.cli.following import finish, follow
from service.cli.output import say
from service.cli.processes import CannotStartError, everything
from service.cli.sending import tell
from service.client import Client
from service.settings import with_options
from service.signals import stop_on_signals
from service.studies.model import StudyState
from service.supervisor import GaveUpError

START_PATIENCE = 60.0
"""Seconds the API may take to answer after it was started."""


def demo(
    folder: Annotated[Path, typer.Option(help="Where database and pictures go.")] = Path("demo"),
) -> None:
    """Run the demo study through a service of its own: 525 trials on real digits.

    Example: lpwd demo --folder demo
    """
    here = with_options(
        data_dir=folder,
        database_url="",
        host="127.0.0.1",
        access="auto",
        port=_free_port(),
        ray_address="local",
    )
    if "log_level" not in here.model_fields_set:
        here = here.model_copy(update={"log_level": "warning"})  # what is said here is enough
    stop = threading.Event()
    stop_on_signals(stop)
    say("starting a service: API, runner, scheduler and a local Ray")
    supervisor = everything(here)

    def look() -> None:
        """Between two questions: keep the processes up, and end when told to."""
        supervisor.look()
        if stop.is_set():
            raise typer.Exit(Status.INTERRUPTED)

    began = time.monotonic()
    try:
        supervisor.start()
        with Client(f"http://127.0.0.1:{here.port}", api_key="") as client:
            _await(client, look)
            created = client.submit(presets.get("demo").study)
            tell(created)
            # Looking, not listening: the processes are looked after in between.
            ended = follow(client, created.study.id, look=look, listen=False)
            if ended.state is StudyState.DONE:
                for form in ("png", "svg"):
                    say(f"wrote {client.export(ended.id, folder / f'heatmap.{form}')}")
    except GaveUpError as error:
        raise CannotStartError(str(error)) from error
    finally:
        supervisor.stop()
    finish(ended)
    say(f"{ended.trials} trials, {time.monotonic() - began:.0f} s in all")
    say(f"dashboard: {_me()} serve --data-dir {folder}, then open {local()}/studies/{ended.id}")


def _await(client: Client, look: Callable[[], None]) -> None:
    """Wait for the API to answer."""
    deadline = time.monotonic() + START_PATIENCE
    while not client.ready():
        look()
        if time.monotonic() > deadline:
            raise CannotStartError(f"the API did not answer within {START_PATIENCE:.0f} s")
        time.sleep(0.1)


def _me() -> str:
    """Name this command as it was called, so that the next one can be pasted."""
    return sys.argv[0] if Path(sys.argv[0]).name == "lpwd" else "lpwd"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
