"""What a shell offers after a tab: quick, and silent when it does not know."""

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from service.client import Client

PATIENCE = 1.0
"""Seconds that the service may take before nothing is offered."""
OFFERED = 50
"""Studies offered, at most: the newest."""

Offers = list[tuple[str, str]]
"""What may be meant, each with a word about it."""

STATES = ("queued", "running", "done", "failed", "cancelled")


def studies(ctx: typer.Context, incomplete: str) -> Offers:
    """Offer ids of studies, the newest first, with their names."""

    def newest(client: "Client") -> Offers:
        found = islice(client.studies(limit=OFFERED), OFFERED)
        return [(one.id, f"{one.state}: {one.name}") for one in found]

    return _beginning(incomplete, _asked(ctx, newest))


def schedules(ctx: typer.Context, incomplete: str) -> Offers:
    """Offer ids of schedules, with their names."""
    return _beginning(
        incomplete,
        _asked(ctx, lambda client: [(one.id, one.name) for one in client.schedules()]),
    )


def webhooks(ctx: typer.Context, incomplete: str) -> Offers:
    """Offer ids of webhooks, with their addresses."""
    return _beginning(
        incomplete, _asked(ctx, lambda client: [(one.id, one.url) for one in client.webhooks()])
    )


def _asked(ctx: typer.Context, ask: Callable[["Client"], Offers]) -> Offers:
    """Ask the service that the command line names so far; nothing where it does not answer."""
    from service.cli.connection import connect  # the modules of the client take a while
    from service.client import ClientError
    from service.settings import SettingsError

    file = ctx.params.get("api_key_file")
    options: dict[str, Any] = {"timeout": PATIENCE, "retries": 0}
    try:
        with connect(ctx.params.get("server"), Path(file) if file else None, **options) as client:
            return ask(client)
    except (ClientError, SettingsError, typer.BadParameter):
        return []


def optimizers(incomplete: str) -> Offers:
    """Offer the optimizers of the catalogue."""
    from lpwd import catalogue
    from lpwd.errors import LpwdError

    try:
        return _beginning(incomplete, ((one.name, one.title) for one in catalogue.entries()))
    except LpwdError:
        return []  # a broken plug-in: the command itself says so


def tasks(incomplete: str) -> Offers:
    """Offer the tasks."""
    from workers import tasks as catalogue
    from workers.errors import WorkersError

    try:
        return _beginning(incomplete, ((one.name, one.title) for one in catalogue.tasks()))
    except WorkersError:
        return []


def presets(incomplete: str) -> Offers:
    """Offer the studies that ship."""
    from service import presets as shipped

    return _beginning(incomplete, ((name, shipped.get(name).title) for name in shipped.names()))


def states(incomplete: str) -> Offers:
    """Offer the states of a study."""
    return _beginning(incomplete, ((state, "") for state in STATES))


def forms(incomplete: str) -> Offers:
    """Offer the forms of an export."""
    from service.client.results import FORMS

    return _beginning(incomplete, ((form, "") for form in FORMS))


def _beginning(incomplete: str, offers: Iterable[tuple[str, str]]) -> Offers:
    return [(name, about) for name, about in offers if name.startswith(incomplete)]
