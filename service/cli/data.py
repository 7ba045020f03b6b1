"""`lpwd data`: the data sets that tasks need."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from service.cli.output import JsonOption, cells, console, say, show_list, table
from service.settings import settings
from workers import data
from workers.data.dataset import DataSet, Download

app = typer.Typer(help="The data sets that tasks need: list and fetch them.", no_args_is_help=True)


@app.command(name="list")
def listing(as_json: JsonOption = False) -> None:
    """List the data sets: how large, under which licence, and whether they are here.

    Example: lpwd data list
    """
    folder = settings().datasets_dir
    found = [_described(one, folder) for one in data.datasets()]
    show_list(
        found, _datasets, as_json=as_json, after=f"lpwd data fetch NAME brings one to {folder}"
    )


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
    """Print the folder in which data sets lie. [LPWD_DATASETS_DIR]

    Example: du -sh "$(lpwd data path)"
    """
    typer.echo(settings().datasets_dir)


def _described(one: DataSet, folder: Path) -> dict[str, Any]:
    """Say of a data set what a program may want to know, as the service does."""
    return {
        "name": one.name,
        "title": one.title,
        "licence": one.licence,
        "source": one.source,
        "download_bytes": one.download_bytes,
        "package": one.package,
        "here": one.here(folder),
    }


def _datasets(found: Sequence[dict[str, Any]]) -> Table:
    shown = table(
        "data set", "here", "download", "licence", right=["download"], wrapped=["licence"]
    )
    for one in found:
        fetched = one["download_bytes"]
        size = f"{fetched / 1e6:.0f} MB" if fetched else f"in {one['package']}"
        shown.add_row(*cells(one["name"], "yes" if one["here"] else "no", size, one["licence"]))
    return shown


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console(),
    )
