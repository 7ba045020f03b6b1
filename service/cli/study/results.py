"""What came of a study: tables and files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli import completion, tables
from service.cli.connection import StudyArgument, connected, study_id
from service.cli.output import JsonOption, console, count, say, show_json
from service.cli.study.options import (
    ExportOption,
    FormOption,
    ReferenceOption,
    ScaleOption,
    SplitOption,
    ThemeOption,
    ToleranceOption,
    WhatOption,
)
from service.client import Client
from service.client.results import Split, What, form_of


@connected
def robustness(
    client: Client,
    study: StudyArgument,
    split: SplitOption = None,
    tolerance: ToleranceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the robustness table, or the best points of a search.

    Example: lpwd study robustness 3fa9 --tolerance 0.005
    """
    found = client.study(study_id(client, study))
    if found.search is not None:
        answer = client.search(found.id)
        show_json(answer) if as_json else console().print(tables.best_points(answer))
    elif as_json:
        show_json(client.robustness(found.id, split=split, tolerance=tolerance))
    else:
        console().print(
            tables.robustness(client.results(found.id, split=split, tolerance=tolerance))
        )


@connected
def compare(
    client: Client,
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY",
            help="One study, to compare its optimizers; or several, to compare with the first.",
            autocompletion=completion.studies,
        ),
    ],
    reference: ReferenceOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Save the figure of it, in .svg or .png."),
    ] = None,
    split: SplitOption = None,
    tolerance: ToleranceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the optimizers of a study, or studies of one task: paired over seeds, with tests.

    Example: lpwd study compare 3fa9 --reference adamw
    """
    ids = [study_id(client, one) for one in studies]
    if len(ids) == 1:
        found = client.comparison(ids[0], reference=reference, split=split, tolerance=tolerance)
        show_json(found) if as_json else console().print(tables.comparison(found))
    elif reference is not None:
        raise typer.BadParameter(
            "--reference is for one study; several are compared with the first"
        )
    else:
        across = client.compare(ids, split=split, tolerance=tolerance)
        show_json(across) if as_json else _across(across)
    if output is not None:
        _picture(client, ids, output, reference, split, tolerance)


def _across(found: dict[str, Any]) -> None:
    """Print studies beside one another."""
    console().print(tables.side_by_side(found))
    for one in found["distinctions"]:
        mark = ", which changes numbers" if one["matters"] else ""
        say(f"not the same{mark}: {one['what']}: {' | '.join(one['values'])}")
    if found["comparison"] is None:
        say("they share no optimizer at the same rates and seeds: nothing to subtract")
    else:
        console().print(tables.comparison(found["comparison"]))


def _picture(
    client: Client,
    ids: list[str],
    to: Path,
    reference: str | None,
    split: Split | None,
    tolerance: float | None,
) -> None:
    """Save the figure of a comparison."""
    with _writing(to):
        try:
            if len(ids) == 1:
                client.export(
                    ids[0],
                    to,
                    what="difference",
                    reference=reference,
                    split=split,
                    tolerance=tolerance,
                )
            else:
                client.export_comparison(ids, to, split=split, tolerance=tolerance)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    typer.echo(f"wrote {to}", err=True)


@connected
def export(
    client: Client,
    study: StudyArgument,
    output: ExportOption = None,
    form: FormOption = None,
    what: WhatOption = "heatmap",
    reference: ReferenceOption = None,
    split: SplitOption = None,
    tolerance: ToleranceOption = None,
    theme: ThemeOption = None,
    scale: ScaleOption = None,
) -> None:
    """Save a study's maps, comparisons or trials as a file.

    Example: lpwd study export 3fa9 --output heatmap.png --theme dark
    """
    if output is None and form is None:
        raise typer.BadParameter("name a file with --output, or a form with --format")
    wanted = study_id(client, study)
    to = output or Path(f"study-{wanted}.{form}")
    _check_form(to, form, what)
    with _writing(to):
        saved = client.export(
            wanted,
            to,
            form,
            what=what,
            reference=reference,
            split=split,
            tolerance=tolerance,
            theme=theme,
            scale=scale,
        )
    say(f"wrote {saved}")


@connected
def report(
    client: Client,
    study: StudyArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file in .html, .md or .tex; study-ID.html here."),
    ] = None,
    reference: ReferenceOption = None,
    split: SplitOption = None,
    tolerance: ToleranceOption = None,
) -> None:
    """Save a report of a study: verdict, table, figures, how it was done.

    Example: lpwd study report 3fa9 --output report.tex
    """
    wanted = study_id(client, study)
    to = output or Path(f"study-{wanted}.html")
    _check_form(to, None, "report")
    with _writing(to):
        saved = client.export(
            wanted, to, what="report", reference=reference, split=split, tolerance=tolerance
        )
    say(f"wrote {saved}")


@connected
def manifest(client: Client, study: StudyArgument) -> None:
    """Print what it takes to check or repeat a study, as JSON: versions, devices, seeds, trials.

    Example: lpwd study manifest 3fa9 > manifest.json
    """
    show_json(client.manifest(study_id(client, study)))


@connected
def archive(
    client: Client,
    study: StudyArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file; study-ID.lpwd.zip here by default."),
    ] = None,
) -> None:
    """Save a study that has ended as one file, which `lpwd study import` reads elsewhere.

    Example: lpwd study archive 3fa9 --output digits.lpwd.zip
    """
    wanted = study_id(client, study)
    to = output or Path(f"study-{wanted}.lpwd.zip")
    with _writing(to):
        say(f"wrote {client.archive(wanted, to)}")


@connected
def import_(
    client: Client,
    file: Annotated[Path, typer.Argument(help="What `lpwd study archive` wrote.")],
    as_json: JsonOption = False,
) -> None:
    """Bring a study of another installation here, with its results. For admins.

    Trials that have a result here keep it.

    Example: lpwd study import digits.lpwd.zip
    """
    try:
        found = client.import_study(file)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from error
    if as_json:
        show_json(found)
        return
    say(
        f"{count(found.trials, 'trial')}: {found.added} added, {found.completed} completed, "
        f"{found.kept} kept"
    )
    if found.conflicts:
        say(f"{count(len(found.conflicts), 'trial')} had another result here, which was kept")
    say(f"study {found.study_id}: {client.page(found.study_id)}")


def _check_form(to: Path, form: str | None, what: What) -> None:
    """Refuse a file whose form cannot be told, or is none of what it is to hold."""
    try:
        form_of(to, form, what)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@contextmanager
def _writing(to: Path) -> Iterator[None]:
    """Say of a file that cannot be written that it is the option that is wrong."""
    try:
        yield
    except OSError as error:
        raise typer.BadParameter(f"{to} cannot be written: {error.strerror}") from error
