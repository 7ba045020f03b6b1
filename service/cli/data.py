"""`lpwd data`: the data sets that tasks need."""

from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from service.cli.output import cells, console, say, table
from service.settings import settings
from workers import data
from workers.data.dataset import DataSet, Download

app = typer.Typer(help="The data sets that tasks need: list and fetch them.", no_args_is_help=True)


@app.command(name="list")
def listing() -> None:
    """List the data sets: how large, under which licence, and whether they are here.

    Example: lpwd data list
    """
    folder = settings().datasets_dir
    shown = table(
        "data set", "here", "download", "licence", right=["download"], wrapped=["licence"]
    )
    for one in data.datasets():
        here = "yes" if one.here(folder) else "no"
        shown.add_row(*cells(one.name, here, _size(one), one.licence))
    console().print(shown)
    say(f"lpwd data fetch NAME brings one to {folder}")


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Data sets, as `lpwd data list` names them.")],
    mirror: Annotated[
        str | None,
        typer.Option(help="Fetch from MIRROR/DATA SET/FILE instead of the source."),
    ] = None,
) -> None:
    """Download data sets, check them and unpack them. What broke off goes on where it was.

    Example: lpwd data fetch cifar10
    """
    from workers.data.fetch import fetch as bring

    folder = settings().datasets_dir
    for one in [data.get(name) for name in names]:
        if one.here(folder):
            say(f"{one.name} was here already")
            continue
        with _bars() as bars:
            bar_of = {
                download: bars.add_task(download.name, total=download.size)
                for download in one.downloads
            }

            def show(download: Download, done: int, total: int) -> None:
                bars.update(bar_of[download], completed=done, total=total)  # noqa: B023

            bring(one, folder, mirror=mirror, progress=show)
        say(f"{one.name} is here: {folder / one.name}")


@app.command()
def path() -> None:
    """Print the folder in which data sets lie. [LPWD_DATASETS_DIR]"""
    typer.echo(settings().datasets_dir)


def _size(one: DataSet) -> str:
    return f"{one.download_bytes / 1e6:.0f} MB" if one.downloads else f"in {one.package}"


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console(),
    )
