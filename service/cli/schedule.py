"""`lpwd schedule`: studies that are sent by the clock."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from service.cli import completion, tables
from service.cli.connection import connected
from service.cli.options import LimitOption, YesOption, changes, confirm
from service.cli.output import (
    JsonOption,
    ago,
    cells,
    console,
    facts,
    moment,
    say,
    show_json,
    show_list,
    table,
)
from service.cli.sending import wanted
from service.cli.study.options import SplitOption
from service.client import Client
from service.schedules.schemas import FiringAnswer, ScheduleAnswer

app = typer.Typer(help="Schedules: studies that are sent by the clock.", no_args_is_help=True)

ScheduleArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCHEDULE",
        help="The schedule's id, as `lpwd schedule list` shows it.",
        autocompletion=completion.schedules,
    ),
]
FileOption = Annotated[
    Path | None, typer.Option("--study", help="Study in YAML or JSON; - for standard input.")
]
PresetOption = Annotated[
    str | None,
    typer.Option(help="A study that ships, instead.", autocompletion=completion.presets),
]
CronOption = Annotated[
    str | None, typer.Option(help="Minute, hour, day, month, day of the week: '30 2 * * *'.")
]
ZoneOption = Annotated[
    str | None, typer.Option(help="Time zone of these, such as Europe/Berlin; UTC by default.")
]


@app.command(name="list")
@connected
def listing(client: Client, as_json: JsonOption = False) -> None:
    """List the schedules and when they fire next.

    Example: lpwd schedule list
    """
    nothing = "no schedules; lpwd schedule create makes one"
    show_list(client.schedules(), _schedules, as_json=as_json, nothing=nothing)


@app.command()
@connected
def show(client: Client, schedule: ScheduleArgument, as_json: JsonOption = False) -> None:
    """Show a schedule, what it sends, and its last firings.

    Example: lpwd schedule show 5b1c09d2e7f3
    """
    found = client.schedule(schedule)
    firings = client.firings(schedule, limit=10)
    if as_json:
        show_json({**found.model_dump(mode="json"), "firings": firings})
        return
    _tell(found)
    if firings:
        console().print(_firings(firings))


@app.command()
@connected
def create(
    client: Client,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    cron: Annotated[
        str, typer.Option(help="Minute, hour, day, month, day of the week: '30 2 * * *'.")
    ],
    study: FileOption = None,
    preset: PresetOption = None,
    timezone: ZoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have a study sent again and again.

    A night on which no version of a task, an optimizer or the engine has changed costs nothing.

    Example: lpwd schedule create nightly --cron '30 2 * * *' --preset nightly
    """
    body = wanted(study, preset)
    made = client.create_schedule(name, cron, body, timezone=timezone or "UTC")
    show_json(made) if as_json else _tell(made)


@app.command()
@connected
def change(
    client: Client,
    schedule: ScheduleArgument,
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    cron: CronOption = None,
    timezone: ZoneOption = None,
    study: FileOption = None,
    preset: PresetOption = None,
    enabled: Annotated[
        bool | None, typer.Option("--on/--off", help="Whether it fires.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a schedule, or turn it on or off; what is not named stays.

    Example: lpwd schedule change 5b1c09d2e7f3 --off
    """
    sends = wanted(study, preset) if study or preset else None
    asked = changes(name=name, cron=cron, timezone=timezone, study=sends, enabled=enabled)
    changed = client.change_schedule(schedule, **asked)
    show_json(changed) if as_json else _tell(changed)


@app.command()
@connected
def run(client: Client, schedule: ScheduleArgument, as_json: JsonOption = False) -> None:
    """Send a schedule's study now; the clock's next firing stays as it is.

    Example: lpwd schedule run 5b1c09d2e7f3
    """
    fired = client.run_schedule(schedule)
    if as_json:
        show_json(fired)
    elif fired.study_id is not None:
        say(f"study {fired.study_id}: {client.page(fired.study_id)}")
    else:
        say(f"no study was sent: {fired.error}")


@app.command()
@connected
def firings(
    client: Client,
    schedule: ScheduleArgument,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List a schedule's firings, newest first, with the studies they sent.

    Example: lpwd schedule firings 5b1c09d2e7f3
    """
    found = client.firings(schedule, limit=limit)
    show_list(found, _firings, as_json=as_json, nothing="it has not fired yet")


@app.command()
@connected
def trend(
    client: Client,
    schedule: ScheduleArgument,
    split: SplitOption = None,
    limit: LimitOption = 30,
    as_json: JsonOption = False,
) -> None:
    """Show the best scores of a schedule's studies that are done, oldest first.

    Example: lpwd schedule trend 5b1c09d2e7f3
    """
    found = client.trend(schedule, split=split, limit=limit)
    nothing = "no study that it sent is done yet; lpwd schedule firings lists them"
    show_list(found, tables.trend, as_json=as_json, nothing=nothing)


@app.command()
@connected
def delete(client: Client, schedule: ScheduleArgument, yes: YesOption = False) -> None:
    """Delete a schedule and the record of its firings; the studies it sent stay.

    Example: lpwd schedule delete 5b1c09d2e7f3
    """
    found = client.schedule(schedule)
    confirm(f"Delete schedule {found.id}, {found.name!r}?", yes)
    client.delete_schedule(found.id)
    say(f"schedule {found.id} is deleted")


def _tell(one: ScheduleAnswer) -> None:
    console().print(
        facts(
            [
                ("schedule", one.id),
                ("name", one.name),
                ("cron", f"{one.cron} ({one.timezone})"),
                ("next", moment(one.next_at) if one.enabled else "off"),
                ("study", f"{one.study.mode}, {one.study.task}"),
                ("optimizers", ", ".join(choice.shown_as for choice in one.study.optimizers)),
            ]
        )
    )


def _schedules(found: Sequence[ScheduleAnswer]) -> Table:
    shown = table("schedule", "cron", "time zone", "next", "name", wrapped=["name"])
    for one in found:
        following = ago(one.next_at) if one.enabled else "off"
        shown.add_row(*cells(one.id, one.cron, one.timezone, following, one.name))
    return shown


def _firings(found: Sequence[FiringAnswer]) -> Table:
    shown = table(
        "due", "by", "study", "came out worse", "why not", wrapped=["came out worse", "why not"]
    )
    for one in found:
        by = "hand" if one.manual else "the clock"
        worse = one.regression.optimizers if one.regression else ()
        declined = ", ".join(decline.optimizer for decline in worse)
        due = moment(one.due_at)
        shown.add_row(*cells(due, by, one.study_id, declined, one.error or ""))
    return shown
