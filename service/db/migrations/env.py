"""Alembic's environment: runs migrations on the database that `service.db.schema` hands over."""

from alembic import context

import service.db.tables  # noqa: F401 - registers the tables
from service.db.base import Base
from service.db.engine import WRITING, Database
from service.db.locks import Alone


def run() -> None:
    """Migrate in one transaction, alone."""
    database: Database = context.config.attributes["database"]
    writer = database.engine.execution_options(**{WRITING: True})
    with writer.begin() as connection:
        if not database.sqlite:
            # However long who uses the tables, or migrates them, may take.
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({int(Alone.MIGRATE)})")
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()


run()
