"""`lpwd db`: the tables."""

import typer

from service.cli.processes import open_database
from service.db import schema
from service.settings import settings

app = typer.Typer(help="The database's tables.", no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Create the tables, or bring them up to date. Changes nothing when they are."""
    database = open_database(settings(), current=False)
    missing = schema.pending(database)
    schema.upgrade(database)
    shown = database.url.render_as_string(hide_password=True)
    typer.echo(f"{shown}: applied {', '.join(missing) if missing else 'nothing, it is current'}")
