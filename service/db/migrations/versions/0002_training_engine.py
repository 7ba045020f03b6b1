"""Trials have a whole numeric mode, not only a precision; studies note how long they take."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from service.db.base import UTCDateTime

revision = "0002"
down_revision = "0001"

PLAIN = {
    "precision": "float32",
    "amp": False,
    "channels_last": False,
    "compile": False,
    "cuda_graphs": False,
}
"""What a trial's numeric mode was, apart from its precision, before there was a choice."""

TRIALS = sa.table("trials", sa.column("precision", sa.String), sa.column("numerics", sa.JSON))
STUDIES = sa.table("studies", sa.column("id", sa.String), sa.column("spec", sa.JSON))
SCHEDULES = sa.table("schedules", sa.column("id", sa.String), sa.column("study", sa.JSON))
KEYS = sa.table(
    "idempotency_keys", sa.column("study_id", sa.String), sa.column("request_hash", sa.String)
)


def upgrade() -> None:
    """Apply the change."""
    # SQLite adds no column that must not be null without a default, and cannot drop that later.
    op.add_column("trials", sa.Column("numerics", sa.JSON(), nullable=False, server_default="{}"))
    connection = op.get_bind()
    for precision in connection.scalars(sa.select(TRIALS.c.precision).distinct()).all():
        connection.execute(
            sa.update(TRIALS)
            .where(TRIALS.c.precision == precision)
            .values(numerics=PLAIN | {"precision": precision})
        )
    op.drop_column("trials", "precision")
    op.add_column("studies", sa.Column("seconds_left", sa.Float(precision=53), nullable=True))
    op.add_column("studies", sa.Column("estimated_at", UTCDateTime(), nullable=True))
    _rewrite(STUDIES, "spec", _spec_up)
    _rewrite(SCHEDULES, "study", _request_up)
    _hash_again()


def downgrade() -> None:
    """Take the change back. Of a numeric mode, only the precision is left."""
    op.add_column(
        "trials", sa.Column("precision", sa.String(16), nullable=False, server_default="float32")
    )
    connection = op.get_bind()
    # PostgreSQL compares no JSON, but its text.
    text = sa.cast(TRIALS.c.numerics, sa.Text)
    for numerics in connection.scalars(sa.select(text).distinct()).all():
        connection.execute(
            sa.update(TRIALS)
            .where(text == numerics)
            .values(precision=json.loads(numerics)["precision"])
        )
    op.drop_column("trials", "numerics")
    op.drop_column("studies", "estimated_at")
    op.drop_column("studies", "seconds_left")
    _rewrite(STUDIES, "spec", _spec_down)
    _rewrite(SCHEDULES, "study", _request_down)
    _hash_again()


def _rewrite(table: sa.TableClause, column: str, change: Callable[[Any], Any]) -> None:
    """Change a column of JSON, row by row."""
    connection = op.get_bind()
    for row in connection.execute(sa.select(table.c.id, table.c[column])).all():
        connection.execute(
            sa.update(table).where(table.c.id == row[0]).values({column: change(row[1])})
        )


def _hash_again() -> None:
    """Hash the requests that came with an `Idempotency-Key`, as the service hashes new ones."""
    connection = op.get_bind()
    for study_id, spec in connection.execute(
        sa.select(STUDIES.c.id, STUDIES.c.spec).join(KEYS, KEYS.c.study_id == STUDIES.c.id)
    ).all():
        digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
        connection.execute(
            sa.update(KEYS).where(KEYS.c.study_id == study_id).values(request_hash=digest)
        )


def _spec_up(spec: dict[str, Any]) -> dict[str, Any]:
    budget = dict(spec["budget"])
    budget["numerics"] = PLAIN | {"precision": budget.pop("precision")}
    return spec | {"budget": budget}


def _spec_down(spec: dict[str, Any]) -> dict[str, Any]:
    budget = dict(spec["budget"])
    budget["precision"] = budget.pop("numerics")["precision"]
    return spec | {"budget": budget}


def _request_up(study: dict[str, Any]) -> dict[str, Any]:
    budget = dict(study["budget"])
    return study | {
        "numerics": PLAIN | {"precision": budget.pop("precision")},
        "budget": budget,
    }


def _request_down(study: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in study.items() if name != "numerics"}
    return rest | {"budget": study["budget"] | {"precision": study["numerics"]["precision"]}}
