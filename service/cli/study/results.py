"""What came of a study: tables and files."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli import tables
from service.cli.connection import StudyArgument, connected, study_id
from service.cli.output import JsonOption, console, say, show_json
from service.client import Client
from service.client.results import FORMS, Split, Theme, form_of

SplitOption = Annotated[
    Split | None, typer.Option(help="Which data the scores come from; test by default.")
]
ToleranceOption = Annotated[
    float | None,
    typer.Option(help="Tolerance in the metric's own unit; 0.01 is a point, and the default."),
]


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
def export(
    client: Client,
    study: StudyArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file; study-ID.FORM here by default."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help=f"One of {', '.join(FORMS)}; by default what the file's name ends in.",
            autocompletion=lambda: list(FORMS),
        ),
    ] = None,
    split: SplitOption = None,
    tolerance: ToleranceOption = None,
    theme: Annotated[
        Theme | None, typer.Option(help="Colours of a picture; light by default.")
    ] = None,
    scale: Annotated[float | None, typer.Option(help="Pixels a point, of a png.")] = None,
) -> None:
    """Save a study's maps as a file.

    Example: lpwd study export 3fa9 --output heatmap.png --theme dark
    """
    if output is None and form is None:
        raise typer.BadParameter("name a file with --output, or a form with --format")
    wanted = study_id(client, study)
    to = output or Path(f"study-{wanted}.{form}")
    try:
        form_of(to, form)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    try:
        saved = client.export(
            wanted, to, form, split=split, tolerance=tolerance, theme=theme, scale=scale
        )
    except OSError as error:
        raise typer.BadParameter(f"{to} cannot be written: {error.strerror}") from error
    say(f"wrote {saved}")
