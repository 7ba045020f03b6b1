"""What changes a study."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.connection import StudyArgument, connected, study_id
from service.cli.following import finish, follow
from service.cli.options import DryRunOption, WatchOption, YesOption, confirm
from service.cli.output import JsonOption, count, say, show_json
from service.cli.sending import read, tell
from service.cli.study.options import (
    MoreFile,
    MoreLearningRates,
    MoreOptimizers,
    MorePoints,
    MoreSeconds,
    MoreSeeds,
    MoreWeightDecays,
)
from service.client import Client
from service.studies.answers import StudyAnswer
from service.study_file import parse


@connected
def cancel(client: Client, study: StudyArgument, as_json: JsonOption = False) -> None:
    """Cancel a queued or running study.

    Trials that are finished keep their results. Cancelling twice is no error.

    Example: lpwd cancel 3fa9
    """
    found = client.cancel(study_id(client, study))
    show_json(found) if as_json else say(f"study {found.id}: {found.state}")


@connected
def retry(
    client: Client, study: StudyArgument, watch: WatchOption = False, as_json: JsonOption = False
) -> None:
    """Try again what failed, and train what was left when the study was cancelled.

    Example: lpwd study retry 3fa9 --watch
    """
    found = client.retry(study_id(client, study))
    _queued_again(client, found, watch, as_json)


@connected
def extend(
    client: Client,
    study: StudyArgument,
    seeds: MoreSeeds = None,
    learning_rates: MoreLearningRates = None,
    weight_decays: MoreWeightDecays = None,
    optimizer: MoreOptimizers = None,
    points: MorePoints = None,
    seconds: MoreSeconds = None,
    file: MoreFile = None,
    dry_run: DryRunOption = False,
    watch: WatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add seeds, rates or optimizers to a grid; points or seconds to a search.

    Only what is new is trained.

    Example: lpwd study extend 3fa9 --seeds 10 --weight-decays 0.3,3
    """
    more: dict[str, Any] = {} if file is None else parse(read(file), origin=str(file))
    asked = {
        "seeds": None if seeds is None else _seeds(seeds),
        "learning_rates": _numbers(learning_rates, "--learning-rates"),
        "weight_decays": _numbers(weight_decays, "--weight-decays"),
        "optimizers": optimizer or None,
        "points": points,
        "seconds": seconds,
    }
    more |= {field: value for field, value in asked.items() if value is not None}
    if not more:
        raise typer.BadParameter("name what to add, such as --seeds 10; --help lists it")
    wanted = study_id(client, study)
    if dry_run:
        plan = client.plan_extension(wanted, **more)
        show_json(plan) if as_json else tell(plan)
        return
    extended = client.extend(wanted, **more)
    if as_json and not watch:
        show_json(extended)
        return
    if not as_json:
        say(f"{count(extended.added, 'new trial')}")
        tell(extended)
    _queued_again(client, extended.study, watch, as_json)


@connected
def clone(
    client: Client,
    study: StudyArgument,
    changes: Annotated[
        Path | None,
        typer.Argument(help="What is to be different, in YAML or JSON; - for standard input."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the new study.")] = None,
    dry_run: DryRunOption = False,
    watch: WatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send a study again as a new one, with changes.

    The changes are a part of a study: what they name replaces what the study had.

    Example: echo 'budget: {epochs: 40}' | lpwd study clone 3fa9 - --watch
    """
    different = {} if changes is None else parse(read(changes), origin=str(changes))
    if name is not None:
        different["name"] = name
    wanted = study_id(client, study)
    if dry_run:
        plan = client.plan_clone(wanted, different)
        show_json(plan) if as_json else tell(plan)
        return
    created = client.clone(wanted, different)
    if as_json and not watch:
        show_json(created)
        return
    if not as_json:
        tell(created)
    _queued_again(client, created.study, watch, as_json)


@connected
def rename(
    client: Client,
    study: StudyArgument,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    as_json: JsonOption = False,
) -> None:
    """Give a study another name.

    Example: lpwd study rename 3fa9 "Digits, wide grid"
    """
    _changed(client.change_study(study_id(client, study), name=name), as_json)


@connected
def tag(
    client: Client,
    study: StudyArgument,
    tags: Annotated[list[str], typer.Argument(help="One or several tags.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take them away instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tag a study, to find it by: `lpwd study list --tag paper`.

    Example: lpwd study tag 3fa9 paper figure-3
    """
    wanted = study_id(client, study)
    change: Callable[[str, str], StudyAnswer] = client.remove_tag if remove else client.add_tag
    for one in tags:
        found = change(wanted, one)
    if as_json:
        show_json(found)
    else:
        say(f"study {found.id}: {', '.join(found.tags) or 'no tags'}")


@connected
def note(
    client: Client,
    study: StudyArgument,
    text: Annotated[
        str | None,
        typer.Argument(help="What to write; - for standard input; without it, show the note."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a note to a study, in place of the one it has; or show it.

    Example: lpwd study note 3fa9 "Figure 3 of the paper"
    """
    wanted = study_id(client, study)
    if text is None:
        found = client.study(wanted)
        show_json(found.note) if as_json else say(found.note or "no note")
        return
    written = sys.stdin.read().strip() if text == "-" else text
    _changed(client.change_study(wanted, note=written), as_json)


@connected
def priority(
    client: Client,
    study: StudyArgument,
    value: Annotated[int, typer.Argument(help="From -100 to 100; 0 is what studies begin with.")],
    as_json: JsonOption = False,
) -> None:
    """Have a study trained before others, or after them.

    Example: lpwd study priority 3fa9 10
    """
    _changed(client.change_study(study_id(client, study), priority=value), as_json)


@connected
def limit(
    client: Client,
    study: StudyArgument,
    running: Annotated[
        float | None, typer.Option(min=0, help="Seconds that it may be running; 0 for no limit.")
    ] = None,
    training: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds that its trials may train, all workers together."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bound what a study may take; what is not named stays.

    Example: lpwd study limit 3fa9 --training 36000
    """
    if running is None and training is None:
        raise typer.BadParameter("name a limit: --running or --training, in seconds")
    found = client.study(study_id(client, study))
    limits = {
        "running_seconds": found.limits.running_seconds if running is None else running or None,
        "training_seconds": found.limits.training_seconds if training is None else training or None,
    }
    _changed(client.change_study(found.id, limits=limits), as_json)


@connected
def delete(
    client: Client,
    study: StudyArgument,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Cancel it before, if it is queued or running.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Delete a study that has ended.

    The results of its trials stay, for other studies to reuse: `lpwd study request` before, and
    `lpwd submit` after, bring a grid back.

    Example: lpwd study delete 3fa9
    """
    found = client.study(study_id(client, study))
    confirm(f"Delete study {found.id}, {found.name!r}?", yes)
    client.delete_study(found.id, cancel=cancel)
    say(f"study {found.id} is deleted")


@connected
def request(client: Client, study: StudyArgument) -> None:
    """Print what sends a study again, as a file that `lpwd submit` takes.

    Example: lpwd study request 3fa9 > study.json
    """
    typer.echo(json.dumps(client.request(study_id(client, study)), indent=2, ensure_ascii=False))


def _queued_again(client: Client, study: StudyAnswer, watch: bool, as_json: bool) -> None:
    if watch:
        finish(follow(client, study.id, as_json=as_json))
    elif as_json:
        show_json(study)
    else:
        say(f"study {study.id} is {study.state}: {client.page(study.id)}")


def _changed(study: StudyAnswer, as_json: bool) -> None:
    show_json(study) if as_json else say(f"study {study.id} is changed: {study.name}")


def _numbers(text: str | None, option: str) -> list[float] | None:
    """Read numbers with commas between them."""
    if text is None:
        return None
    try:
        return [float(one) for one in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{option} {text!r}: numbers are wanted, 0.01,0.1") from error


def _seeds(text: str) -> int | list[int]:
    try:
        return [int(one) for one in text.split(",")] if "," in text else int(text)
    except ValueError as error:
        raise typer.BadParameter(f"--seeds {text!r}: 10 or 7,8,9 is wanted") from error
