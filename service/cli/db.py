"""`lpwd db`: the tables, and what they hold."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from service.cli.processes import open_database
from service.db import Database, schema
from service.db import backup as backups
from service.db import check as checks
from service.db.backup import BackupError
from service.db.check import Finding
from service.retention import plan
from service.retention import prune as remove
from service.settings import settings

app = typer.Typer(
    help="The database: tables, backups, and whether it makes sense.", no_args_is_help=True
)
console = Console()

Told = Callable[[str, int, int], None]


@app.command()
def upgrade() -> None:
    """Create the tables, or bring them up to date. Changes nothing when they are.

    Example: lpwd db upgrade
    """
    with _open() as database:
        missing = schema.pending(database)
        schema.upgrade(database)
        typer.echo(f"{_name(database)}: applied {', '.join(missing) or 'nothing, it is current'}")


@app.command()
def downgrade(
    revision: Annotated[
        str, typer.Argument(help="Revision to go back to; `base` drops everything.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Go back to the tables of an older version. What those cannot hold is lost: back up first.

    Example: lpwd db downgrade 0003
    """
    with _open() as database:
        if revision not in ("base", *schema.REVISIONS):
            raise BackupError(
                f"there is no revision {revision!r}: choose base, {', '.join(schema.REVISIONS)}"
            )
        if not yes:
            typer.confirm(f"{_name(database)}: go back to {revision}, and lose data?", abort=True)
        schema.downgrade(database, revision)
        typer.echo(f"{_name(database)}: tables are of revision {revision}")


@app.command()
def status() -> None:
    """Tell which tables the database has, and which it lacks. Exit status 1 where it lacks some.

    Example: lpwd db status
    """
    with _open() as database:
        missing = schema.pending(database)
        typer.echo(f"{_name(database)}: revision {schema.current(database) or 'none, no tables'}")
        for revision in missing:
            typer.echo(f"  lacks {revision}: run `lpwd db upgrade`")
        raise typer.Exit(1 if missing else 0)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write, in a folder that is there.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a backup, while the service runs. It restores into SQLite and PostgreSQL alike.

    The file holds what keys and webhooks are checked against: keep it as safe as the database.

    Example: lpwd db backup /backups/lpwd.gz
    """
    with _open() as database:
        with _bars() as told:
            backups.backup(database, file, force=force, progress=told)
        size = file.stat().st_size / 1e6
        typer.echo(f"wrote {file}, {size:,.1f} MB, tables of revision {schema.current(database)}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A backup, of this version or an older one.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace what the database holds.")
    ] = False,
) -> None:
    """Put a backup into an empty database: all of it or nothing. Stop the service before.

    Example: lpwd db restore /backups/lpwd.gz
    """
    backups.check_kind(file)  # before a SQLite database is made, or another asked for
    with _open() as database:
        with _bars() as told:
            backups.restore(database, file, force=force, progress=told)
        typer.echo(f"{_name(database)}: restored {file}")


@app.command()
def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended without losing anything.")
    ] = False,
) -> None:
    """Look for what makes no sense. Exit status 1 where something is wrong and was not mended.

    Example: lpwd db check
    """
    with _open() as database:
        with _bars() as told:
            findings = list(checks.check(database, told))
        left = [one for one in findings if not _tell(database, one, mend=repair)]
    raise typer.Exit(1 if left else 0)


def _tell(database: Database, finding: Finding, *, mend: bool) -> bool:
    """Say what came of a check, and mend it if asked; returns whether all is well then."""
    if finding.ok:
        console.print(f"ok     {finding.name}", highlight=False)
        return True
    more = ", …" if finding.wrong > len(finding.examples) else ""
    said = f"{finding.wrong:,} are not ({', '.join(finding.examples)}{more})"
    console.print(f"WRONG  {finding.name}: {said}", soft_wrap=True, highlight=False)
    if finding.repair is None:
        console.print(f"       {finding.advice}", soft_wrap=True, highlight=False)
        return False
    if not mend:
        console.print("       --repair mends this")
        return False
    console.print(f"       mended {checks.repair(database, finding):,}")
    return True


@app.command()
def prune(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
    ] = False,
) -> None:
    """Remove what is older than it is kept, as the scheduler does daily. [LPWD_KEEP_…_DAYS]

    Example: lpwd db prune --dry-run
    """
    here = settings()
    with _open(current=True) as database:
        if dry_run:
            found = plan(database, here)
        else:
            with _bars() as told:
                found = remove(database, here, told)
        for name, rows in found.items():
            typer.echo(f"{rows:>12,}  {name}{' would go' if dry_run else ''}")


@contextmanager
def _open(*, current: bool = False) -> Iterator[Database]:
    """Open the database for a command, with current tables where it needs those."""
    database = open_database(settings(), current=current)
    try:
        yield database
    finally:
        database.close()


def _name(database: Database) -> str:
    return database.url.render_as_string(hide_password=True)


@contextmanager
def _bars() -> Iterator[Told]:
    """Show how far things have come, on a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        known: dict[str, int] = {}

        def told(name: str, done: int, total: int) -> None:
            if name not in known:
                known[name] = int(bars.add_task(name, total=max(1, total)))
            bars.update(bars.tasks[known[name]].id, completed=done, total=max(1, total))

        yield told
