"""Bringing a database's tables up to date, with Alembic."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from service.db.engine import Database

if TYPE_CHECKING:  # it takes a while to import, and most processes only ask what is `pending`
    from alembic.config import Config

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Of all migrations, oldest first."""


class UnknownRevisionError(Exception):
    """The database was migrated by a version of the service that is newer than this one."""


def upgrade(database: Database, revision: str = "head") -> None:
    """Apply what is missing up to a revision. On a current database this changes nothing."""
    from alembic import command

    _run(database, command.upgrade, revision)


def downgrade(database: Database, revision: str) -> None:
    """Go back to a revision; ``base`` drops everything."""
    from alembic import command

    _run(database, command.downgrade, revision)


def current(database: Database) -> str | None:
    """Return the revision of the database's tables; None where there are none."""
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


def pending(database: Database) -> list[str]:
    """Return the revisions that the database lacks, oldest first.

    Raises:
        UnknownRevisionError: Its tables are newer than this version of the service.
    """
    found = current(database)
    if found is None:
        return list(REVISIONS)
    if found not in REVISIONS:
        raise UnknownRevisionError(
            f"the database's tables are of revision {found}, which this version does not know: it "
            "was used with a newer one; run that"
        )
    return list(REVISIONS[REVISIONS.index(found) + 1 :])


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _run(database: Database, what: Callable[["Config", str], None], revision: str) -> None:
    config = _config()
    config.attributes["database"] = database
    what(config, revision)
