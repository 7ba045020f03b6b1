"""`lpwd serve` and the processes it consists of."""

import logging
import os
import socket
import threading
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import ArgumentError, DBAPIError

import lpwd.catalogue
from lpwd.errors import LpwdError
from service.access.model import Mode
from service.access.policy import is_loopback, policy_of
from service.db import Database, schema
from service.db.trouble import Patience, TablesOutdatedError
from service.keys import repository as keys
from service.keys.model import KeyState
from service.logs import configure
from service.settings import Settings, settings, with_options
from service.signals import stop_on_signals, stop_with_parent, supervised
from service.supervisor import GaveUpError, Supervisor
from workers import data, tasks
from workers.errors import WorkersError
from workers.standing_back import stand_back

logger = logging.getLogger(__name__)

CLEARING = 15.0
"""Seconds that a runner may take to end after it has put back what it trained."""


class CannotStartError(Exception):
    """Something that a process needs is missing."""


HostOption = Annotated[str | None, typer.Option(help="Address to listen on. [LPWD_HOST]")]
PortOption = Annotated[int | None, typer.Option(help="Port to listen on. [LPWD_PORT]")]
DataOption = Annotated[
    Path | None, typer.Option(help="Folder of the SQLite database and checkpoints. [LPWD_DATA_DIR]")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Log details.")]


def serve(
    host: HostOption = None,
    port: PortOption = None,
    data_dir: DataOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Run everything on this machine: API and dashboard, runner, scheduler and a local Ray.

    Unfinished studies go on where they were. Ctrl-C ends all of it.

    Example: lpwd serve --data-dir /var/lib/lpwd
    """
    here = with_options(host=host, port=port, data_dir=data_dir)
    log(here, verbose)
    stop = threading.Event()
    stop_on_signals(stop)
    supervisor = everything(here, verbose=verbose)
    try:
        supervisor.start()
        logger.info("dashboard at http://%s:%d, Ctrl-C ends it", here.host, here.port)
        supervisor.run(stop)
    except GaveUpError as error:
        raise CannotStartError(str(error)) from error
    finally:
        logger.info(
            "ending: what is in training is saved, for %.0f s at most; Ctrl-C again ends at once",
            here.drain_seconds,
        )
        supervisor.stop()


def log(here: Settings, verbose: bool) -> None:
    """Log as the settings say, with details where the command line wants them."""
    configure(level=here.log_level, form=here.log_format, verbose=verbose)


def everything(here: Settings, *, verbose: bool = False) -> Supervisor:
    """Make the tables and prepare all processes on them.

    Raises:
        CannotStartError: The address is taken or not allowed, or the database does not answer.
    """
    check_plugins()
    check_address(here)
    open_database(here, migrate=True).close()
    env = {
        "LPWD_DATABASE_URL": here.url,
        "LPWD_HOST": here.host,
        "LPWD_PORT": str(here.port),
        "LPWD_ACCESS": here.access,
        "LPWD_RAY_ADDRESS": here.ray_address,
        "LPWD_DATA_DIR": str(here.data_dir.absolute()),
        data.FOLDER: str(here.datasets_dir),
        "LPWD_LOG_FORMAT": here.log_format,
        "LPWD_LOG_LEVEL": "debug" if verbose else here.log_level,
    }
    return Supervisor(
        {name: (name,) for name in ("api", "runner", "scheduler")},
        env,
        patience=here.drain_seconds + CLEARING,
    )


def api(host: HostOption = None, port: PortOption = None, verbose: VerboseOption = False) -> None:
    """Run the REST API and the dashboard alone.

    Example: lpwd api --host 0.0.0.0
    """
    here = with_options(host=host, port=port)
    log(here, verbose)
    stop_with_parent()
    share_datasets(here)
    check_address(here)
    check_plugins()
    database = open_database(here)
    tell_of_keys(here, database)
    database.close()
    # Here and not above: no other process needs FastAPI, half of all that there is to import.
    from service.app import create_app
    from service.server import Server

    Server(create_app(here), host=here.host, port=here.port).run()


def runner(verbose: VerboseOption = False) -> None:
    """Run a runner: it takes studies from the queue and has Ray workers train them.

    Ctrl-C or `kill -TERM` has it save what it trains, put its study back and end; until then
    `lpwd runners` calls it draining. LPWD_DRAIN_SECONDS is how long it may take.

    Example: LPWD_RAY_ADDRESS=head.example.org:6379 lpwd runner
    """
    # Here and not above: the API process must not load Ray.
    from service.runner import process
    from workers.connection import ClusterLostError
    from workers.execution import WorkersLostError

    here = settings()
    log(here, verbose)
    stop_with_parent()
    stand_back(here.runner_nice)  # before Ray is started: its workers take after this process
    share_datasets(here)
    check_plugins()
    open_database(here).close()
    stop = threading.Event()
    try:
        process.run(here, stop)
    except (
        ConnectionError,
        ClusterLostError,
        WorkersLostError,
        TablesOutdatedError,
        RuntimeError,
    ) as error:
        raise CannotStartError(f"the runner cannot go on: {error}") from error


def scheduler(verbose: VerboseOption = False) -> None:
    """Run the scheduler: it fires schedules when their time has come, and sends webhooks.

    Example: lpwd scheduler
    """
    from service import scheduler as process

    here = settings()
    log(here, verbose)
    stop_with_parent()
    share_datasets(here)
    check_plugins()
    open_database(here).close()
    stop = threading.Event()
    stop_on_signals(stop)
    try:
        process.run(here, stop)
    except TablesOutdatedError as error:
        raise CannotStartError(f"the scheduler cannot go on: {error}") from error


def tell_of_keys(here: Settings, database: Database) -> None:
    """Say how to make the first key where nobody could use the service without one."""
    if policy_of(here).mode is Mode.OPEN:
        return
    with database.read() as session:
        if not any(key.state is KeyState.ACTIVE for key in keys.everything(session)):
            logger.warning(
                "a key is needed here and there is none yet: lpwd key create NAME --role admin"
            )


def open_database(here: Settings, *, migrate: bool = False, current: bool = True) -> Database:
    """Open the database, with current tables unless `current` is false.

    Under a supervisor, which has opened it before, a database in trouble is waited for: a process
    that is started again meanwhile would else be taken for one that crashes again and again.

    Raises:
        CannotStartError: It does not answer, or its tables are missing or outdated.
    """
    try:
        database = Database(here.url)
        if migrate:
            schema.upgrade(database)
        missing = _waiting(database) if supervised() else schema.pending(database)
    except (ArgumentError, ImportError) as error:
        raise CannotStartError(
            f"LPWD_DATABASE_URL is not the URL of a SQLite or PostgreSQL database: {error}"
        ) from error
    except schema.UnknownRevisionError as error:
        raise CannotStartError(str(error)) from error
    except (DBAPIError, OSError) as error:
        raise CannotStartError(f"the database cannot be opened: {error}") from error
    if missing and current:
        raise CannotStartError("the database's tables are not current: run `lpwd db upgrade`")
    return database


def _waiting(database: Database) -> list[str]:
    patiently = Patience(stopping=lambda: False, drain_seconds=0.0)
    return patiently(lambda: schema.pending(database))


def share_datasets(here: Settings) -> None:
    """Tell this process, and the workers it starts, where data sets lie.

    The setting may come from a `.env` file, which only the service reads.
    """
    os.environ[data.FOLDER] = str(here.datasets_dir)


def check_plugins() -> None:
    """Load what installed packages add to the catalogues.

    Raises:
        CannotStartError: One is broken; better to say so now than in the middle of a request.
    """
    try:
        lpwd.catalogue.entries()
        tasks.check()
    except (LpwdError, WorkersError) as error:
        raise CannotStartError(str(error)) from error


def check_address(here: Settings) -> None:
    """Refuse an address that is taken, or that others reach, unless that is wanted.

    Raises:
        CannotStartError: It is.
    """
    mode = policy_of(here).mode
    if mode is Mode.OPEN and not is_loopback(here.host) and not here.allow_remote:
        raise CannotStartError(
            f"{here.host} can be reached from elsewhere, and with LPWD_ACCESS=open everybody there "
            "could do everything: leave that out, so that keys are needed, or set "
            "LPWD_ALLOW_REMOTE=true behind a proxy that has access control of its own"
        )
    family = socket.AF_INET6 if ":" in here.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((here.host, here.port))
        except OSError as error:
            raise CannotStartError(
                f"cannot listen on {here.host} port {here.port} ({error.strerror}); "
                "choose another with --port"
            ) from error
