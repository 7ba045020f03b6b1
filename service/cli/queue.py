"""`lpwd queue`, `lpwd runners` and `lpwd devices`: who trains what."""

from typing import Annotated

import typer

from service.cli.connection import connected
from service.cli.output import (
    JsonOption,
    ago,
    cells,
    console,
    count,
    duration,
    say,
    show_json,
    table,
)
from service.client import Client


@connected
def queue(
    client: Client,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Waiting studies to list.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """What is trained, and what comes next.

    The next is that of the highest priority; among equals, owners take turns; then the oldest.

    Example: lpwd queue
    """
    found = client.queue(limit=limit)
    if as_json:
        show_json(found)
        return
    if not found.running and not found.waiting:
        say("nothing is trained and nothing waits; lpwd submit sends a study")
    else:
        shown = table(
            "", "study", "how far", "time", "priority", "owner", "name", "why",
            right=["priority"], wrapped=["name", "why"],
        )  # fmt: skip
        for one in found.running:
            done = f"{100 * (one.progress or 0):.0f} %"
            left = "" if one.eta_seconds is None else f"{duration(one.eta_seconds)} left"
            shown.add_row(
                *cells("▶", one.study_id, done, left, one.priority, one.owner, one.name, "")
            )
        for one in found.waiting:
            begins = "" if one.starts_in is None else f"in {duration(one.starts_in)}"
            shown.add_row(
                *cells(
                    one.position, one.study_id, "waits", begins, one.priority, one.owner, one.name,
                    one.reason or "",
                )
            )  # fmt: skip
        console().print(shown)
    more = found.waiting_count - len(found.waiting)
    if more > 0:
        say(f"and {count(more, 'more study waits', 'more studies wait')}; --limit lists more")
    up = sum(one.up for one in found.runners)
    starting = sum(one.starting for one in found.runners)
    still = f", {starting} starting" if starting else ""
    say(f"{count(up, 'runner')}{still}; lpwd runners lists them" if up else NOBODY)


@connected
def runners(client: Client, as_json: JsonOption = False) -> None:
    """The runners, and what each works on.

    Example: lpwd runners
    """
    found = client.runners()
    if as_json:
        show_json(found)
        return
    if not found:
        say(NOBODY)
        return
    shown = table("runner", "host", "pid", "state", "study", "devices", "started", "heard of")
    for one in found:
        state = "starting" if one.starting else str(one.state) if one.up else "silent"
        shown.add_row(
            *cells(
                one.id, one.host, one.pid, state, one.study_id, len(one.devices),
                ago(one.started_at), ago(one.seen_at),
            )
        )  # fmt: skip
    console().print(shown)
    say("kill -TERM and its pid, on its host, has a runner save what it trains and end")


@connected
def devices(client: Client, as_json: JsonOption = False) -> None:
    """The devices, and what each trains now.

    Example: lpwd devices
    """
    found = client.devices()
    if as_json:
        show_json(found)
        return
    if not found:
        say(NOBODY)
        return
    shown = table(
        "device", "kind", "node", "memory", "runner", "study", "trains", wrapped=["device"]
    )
    for one in found:
        trains = "measures first" if one.measuring else "-"
        if one.trials is not None:
            trains = f"{count(one.trials, 'trial')}, epoch {one.epoch} of {one.epochs}"
        shown.add_row(
            *cells(
                one.name, one.kind, one.node, f"{one.memory / 1e9:.1f} GB", one.runner_id,
                one.study_id, trains,
            )
        )  # fmt: skip
    console().print(shown)


NOBODY = "no runner is up; `lpwd serve` or `lpwd runner` starts one"
