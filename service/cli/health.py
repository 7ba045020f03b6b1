"""`lpwd health`: whether a process of the service is well, for those who restart it."""

import json
import socket
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

import httpx
import typer
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from service.cli.processes import open_database
from service.db import utcnow
from service.db.tables.processes import HeartbeatRow, RunnerRow
from service.scheduler import BEAT_EVERY
from service.settings import Settings, settings

PATIENCE = 10.0
MISSED = 4
"""Signs of life in a row that may be missed."""


class Process(StrEnum):
    """A process of the service."""

    API = "api"
    RUNNER = "runner"
    SCHEDULER = "scheduler"


def health(
    process: Annotated[Process, typer.Argument(help="Which process to ask after.")],
) -> None:
    """Tell whether a process of this host is well; the exit status is 1 where it is not.

    Of the API, what /readyz says. Of runner and scheduler, when they last wrote to the database.

    Example: lpwd health runner
    """
    here = settings()
    if process is Process.API:
        well, said = _api(here)
    else:
        well, said = _alive(here, process)
    typer.echo(said)
    raise typer.Exit(0 if well else 1)


def _api(here: Settings) -> tuple[bool, str]:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(here.host, here.host)  # noqa: S104 - not bound
    url = f"http://{f'[{host}]' if ':' in host else host}:{here.port}/readyz"
    try:
        answer = httpx.get(url, timeout=PATIENCE, trust_env=False)
        found = answer.json()
    except (httpx.TransportError, json.JSONDecodeError) as error:
        return False, f"api: does not answer at {url} ({error})"
    lines = [
        f"  {one['name']:10}{'ok' if one['ok'] else 'NO':4}{one['detail']}"
        for one in found["checks"]
    ]
    return answer.is_success, "\n".join([f"api: {found['status']}", *lines])


def _alive(here: Settings, process: Process) -> tuple[bool, str]:
    bound = MISSED * (here.lease_seconds if process is Process.RUNNER else BEAT_EVERY)
    database = open_database(here)
    try:
        with database.read() as session:
            seen = _last_seen(session, process, utcnow() + timedelta(seconds=bound))
    except SQLAlchemyError as error:
        return False, f"{process}: the database does not answer ({type(error).__name__})"
    finally:
        database.close()
    if seen is None:
        return False, f"{process}: none was ever heard of on {_host()}"
    silent = (utcnow() - seen).total_seconds()
    said = f"{process}: heard of {max(0.0, silent):.0f} s ago"
    if silent > bound:
        return False, f"{said}, which is longer than {bound:.0f} s"
    if silent < -bound:
        return False, f"{process}: not heard of since the clock was set back by {-silent:.0f} s"
    return True, said


def _last_seen(session: Session, process: Process, latest: datetime) -> datetime | None:
    """Return when such a process of this host was last heard of.

    What was said after `latest` was said before the clock was set back, by one that may be gone
    since: it is returned only where there is nothing else.
    """
    table: type[RunnerRow] | type[HeartbeatRow]
    table = RunnerRow if process is Process.RUNNER else HeartbeatRow
    query = select(table.seen_at).where(table.host == _host())
    if table is HeartbeatRow:
        query = query.where(HeartbeatRow.kind == process)
    newest = query.order_by(table.seen_at > latest, table.seen_at.desc()).limit(1)
    return session.scalar(newest)


def _host() -> str:
    return socket.gethostname()[:200]
