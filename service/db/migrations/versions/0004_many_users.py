"""Keys, owners, tags, priorities and limits of studies; runners; webhooks; signs of life."""

import sqlalchemy as sa
from alembic import op

from service.db.base import UTCDateTime

revision = "0004"
down_revision = "0003"

STUDY_COLUMNS = (
    "owner_id VARCHAR(16) CONSTRAINT fk_studies_owner_id_api_keys REFERENCES api_keys (id)",
    "note TEXT NOT NULL DEFAULT ''",
    "priority INTEGER NOT NULL DEFAULT 0 "
    "CONSTRAINT ck_studies_priority_in_range CHECK (priority BETWEEN -100 AND 100)",
    "time_limit FLOAT(53) CONSTRAINT ck_studies_time_limit_in_range CHECK (time_limit > 0)",
    "training_limit FLOAT(53) "
    "CONSTRAINT ck_studies_training_limit_in_range CHECK (training_limit > 0)",
    "seconds_running FLOAT(53) NOT NULL DEFAULT 0 "
    "CONSTRAINT ck_studies_seconds_running_in_range CHECK (seconds_running >= 0)",
    "seconds_trained FLOAT(53) NOT NULL DEFAULT 0 "
    "CONSTRAINT ck_studies_seconds_trained_in_range CHECK (seconds_trained >= 0)",
    "losses INTEGER NOT NULL DEFAULT 0 CONSTRAINT ck_studies_losses_in_range CHECK (losses >= 0)",
    "last_loss TEXT",
    "origin TEXT CONSTRAINT ck_studies_imported_has_origin "
    "CHECK ((imported_at IS NULL) = (origin IS NULL))",
)
"""In SQL: SQLite takes a new column's constraints only with the column, which Alembic has not."""

QUEUE = ["state", "priority", "owner_id", "created_at", "lease_expires_at", "id"]


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("role", _one_of("role", "reader", "submitter", "admin"), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=True),
        sa.Column("last_used_at", UTCDateTime(), nullable=True),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("name", name=op.f("uq_api_keys_name")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_keys_hash")),
    )
    op.create_table(
        "sessions",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["api_keys.id"],
            name=op.f("fk_sessions_key_id_api_keys"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_key_id"), "sessions", ["key_id"])
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])
    op.add_column("studies", sa.Column("imported_at", UTCDateTime(), nullable=True))
    for column in STUDY_COLUMNS:
        op.execute(f"ALTER TABLE studies ADD COLUMN {column}")
    op.add_column("studies", sa.Column("claimed_at", UTCDateTime(), nullable=True))
    op.create_index("ix_studies_owner_id_claimed_at", "studies", ["owner_id", "claimed_at"])
    op.create_index("ix_studies_queue", "studies", QUEUE)
    _index_what_is_asked_for()
    op.add_column("firings", sa.Column("compared_at", UTCDateTime(), nullable=True))
    op.execute("UPDATE firings SET compared_at = created_at")
    op.add_column("trials", sa.Column("last_loss", sa.Text(), nullable=True))
    op.create_table(
        "study_tags",
        sa.Column("study_id", sa.String(length=16), nullable=False),
        sa.Column("tag", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.id"],
            name=op.f("fk_study_tags_study_id_studies"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study_id", "tag", name=op.f("pk_study_tags")),
    )
    op.create_index("ix_study_tags_tag", "study_tags", ["tag"])
    op.create_table(
        "runners",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("devices", sa.JSON(), nullable=False),
        sa.Column("state", _one_of("state", "idle", "training", "draining"), nullable=False),
        sa.Column("study_id", sa.String(length=16), nullable=True),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("seen_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "study_id IS NULL OR state <> 'idle'", name=op.f("ck_runners_idle_has_no_study")
        ),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.id"],
            name=op.f("fk_runners_study_id_studies"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runners")),
    )
    op.create_index(op.f("ix_runners_study_id"), "runners", ["study_id"])
    _create_webhooks()
    _create_signs_of_life()
    if op.get_bind().dialect.name == "sqlite":
        _tell_the_planner()


def _create_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("owner_id", sa.String(length=16), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("own_only", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("secret", sa.String(length=100), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_webhooks_failures_in_range")),
        sa.CheckConstraint(
            "enabled OR reason IS NOT NULL", name=op.f("ck_webhooks_disabled_has_reason")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["api_keys.id"], name=op.f("fk_webhooks_owner_id_api_keys")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("webhook_id", sa.String(length=16), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("state", _one_of("state", "waiting", "delivered", "given up"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", UTCDateTime(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state = 'waiting') = (next_at IS NOT NULL)",
            name=op.f("ck_deliveries_waiting_has_next"),
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (finished_at IS NULL)",
            name=op.f("ck_deliveries_waiting_is_open"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_deliveries_attempts_in_range")),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name=op.f("fk_deliveries_webhook_id_webhooks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_state_next_at", "deliveries", ["state", "next_at"])
    op.create_index(
        "ix_deliveries_webhook_id_created_at", "deliveries", ["webhook_id", "created_at"]
    )


PARTIAL = {
    "ix_trials_claimed_by": (["claimed_by"], "claimed_by IS NOT NULL"),
    "ix_trials_task_finished_at": (["task", "finished_at"], "finished_at IS NOT NULL"),
}
"""Indices that most trials need not be in while they wait: columns, and what is in it."""


def _index_what_is_asked_for() -> None:
    for name, (columns, condition) in PARTIAL.items():
        op.drop_index(name, "trials")
        where = sa.text(condition)
        op.create_index(name, "trials", columns, sqlite_where=where, postgresql_where=where)


STATISTICS = {
    ("trials", "sqlite_autoindex_trials_1"): "1000000 1",
    ("trials", "ix_trials_state"): "1000000 200000",
    ("trials", "ix_trials_claimed_by"): "1000000 1000",
    ("trials", "ix_trials_task_finished_at"): "1000000 200000 2",
    ("study_trials", "sqlite_autoindex_study_trials_1"): "1000000 100 1",
    ("study_trials", "ix_study_trials_trial_key"): "1000000 1",
}
"""Rows of an index, and with the same first column, columns …; as `ANALYZE` would find them."""


def _tell_the_planner() -> None:
    """Say how large the tables may become: without, SQLite takes a state for as telling as a key.

    `ANALYZE` would say it of the tables as they are now, which is empty.
    """
    op.execute("ANALYZE sqlite_schema")
    op.execute("DELETE FROM sqlite_stat1")  # of an earlier time
    for (table, index), statistics in STATISTICS.items():
        op.get_bind().execute(
            sa.text("INSERT INTO sqlite_stat1 VALUES (:table, :index, :statistics)"),
            {"table": table, "index": index, "statistics": statistics},
        )


def _create_signs_of_life() -> None:
    op.create_table(
        "heartbeats",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("seen_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("value >= 0", name=op.f("ck_counters_value_in_range")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=16)


def downgrade() -> None:
    """Take the change back: who sent a study, and what people wrote about it, is forgotten."""
    for table in ("counters", "heartbeats", "deliveries", "webhooks", "runners", "study_tags"):
        op.drop_table(table)
    op.drop_column("firings", "compared_at")
    op.drop_column("trials", "last_loss")
    for name, (columns, _) in PARTIAL.items():
        op.drop_index(name, "trials")
        op.create_index(name, "trials", columns)
    for index in ("ix_studies_queue", "ix_studies_owner_id_claimed_at"):
        op.drop_index(index, "studies")
    op.drop_column("studies", "claimed_at")
    for column in reversed(STUDY_COLUMNS):
        op.execute(f"ALTER TABLE studies DROP COLUMN {column.split()[0]}")
    op.drop_table("sessions")
    op.drop_column("studies", "imported_at")
    op.drop_table("api_keys")
