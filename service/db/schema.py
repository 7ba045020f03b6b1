"""Bringing a database's tables up to date, with Alembic."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from service.db.engine import Database


def upgrade(database: Database, revision: str = "head") -> None:
    """Apply what is missing up to a revision. On a current database this changes nothing."""
    _run(database, command.upgrade, revision)


def downgrade(database: Database, revision: str) -> None:
    """Go back to a revision; ``base`` drops everything."""
    _run(database, command.downgrade, revision)


def pending(database: Database) -> list[str]:
    """Return the revisions that the database lacks, oldest first."""
    scripts = ScriptDirectory.from_config(_config())
    with database.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == scripts.get_current_head():
        return []
    missing = scripts.iterate_revisions("head", current or "base")
    return [script.revision for script in reversed(list(missing))]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _run(database: Database, what: Callable[[Config, str], None], revision: str) -> None:
    config = _config()
    config.attributes["database"] = database
    what(config, revision)
