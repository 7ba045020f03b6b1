"""Rows of a database of any revision, whatever today's tables are."""

from sqlalchemy import JSON, MetaData, Table, insert, inspect, select


def tables(database):
    """Names of the tables that there are."""
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def reflect(database, name):
    table = Table(name, MetaData(), autoload_with=database.engine)
    for column in ("spec", "study", "hyperparameters", "numerics"):
        if column in table.c:
            table.c[column].type = JSON()  # SQLite's own name for it is a mere text
    return table


def write(database, name, rows):
    with database.write() as session:
        session.execute(insert(reflect(database, name)), rows)


def read(database, name):
    table = reflect(database, name)
    with database.read() as session:
        return [
            dict(row)
            for row in session.execute(select(table).order_by(*table.primary_key)).mappings()
        ]


def everything(database):
    """All rows, by table."""
    return {name: read(database, name) for name in tables(database)}
