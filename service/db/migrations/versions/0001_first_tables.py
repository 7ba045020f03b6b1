"""First tables."""

import sqlalchemy as sa
from alembic import op

from service.db.base import UTCDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("cron", sa.String(length=200), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("study", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("next_at", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "NOT enabled OR next_at IS NOT NULL", name=op.f("ck_schedules_enabled_has_next")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index(
        "ix_schedules_enabled_next_at", "schedules", ["enabled", "next_at"], unique=False
    )
    op.create_table(
        "studies",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("task", sa.String(length=100), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "done",
                "failed",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("reused", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(length=300), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("lease_token", sa.String(length=32), nullable=True),
        sa.Column("lease_expires_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "lease_token IS NULL OR state = 'running'", name=op.f("ck_studies_lease_means_running")
        ),
        sa.CheckConstraint(
            "(lease_token IS NULL) = (lease_expires_at IS NULL)",
            name=op.f("ck_studies_lease_is_whole"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
    )
    op.create_index("ix_studies_created_at_id", "studies", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_studies_lease_token"), "studies", ["lease_token"], unique=False)
    op.create_index("ix_studies_state_created_at", "studies", ["state", "created_at"], unique=False)
    op.create_table(
        "trials",
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("task", sa.String(length=100), nullable=False),
        sa.Column("task_version", sa.Integer(), nullable=False),
        sa.Column("optimizer", sa.String(length=100), nullable=False),
        sa.Column("optimizer_version", sa.Integer(), nullable=False),
        sa.Column("hyperparameters", sa.JSON(), nullable=False),
        sa.Column("learning_rate", sa.Float(precision=53), nullable=False),
        sa.Column("weight_decay", sa.Float(precision=53), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("batch_size", sa.Integer(), nullable=False),
        sa.Column("schedule", sa.String(length=16), nullable=False),
        sa.Column("precision", sa.String(length=16), nullable=False),
        sa.Column("engine_version", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "running",
                "done",
                "diverged",
                "failed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("claimed_by", sa.String(length=32), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("epochs_done", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("validation_score", sa.Float(precision=53), nullable=True),
        sa.Column("validation_loss", sa.Float(precision=53), nullable=True),
        sa.Column("test_score", sa.Float(precision=53), nullable=True),
        sa.Column("test_loss", sa.Float(precision=53), nullable=True),
        sa.Column("train_loss", sa.Float(precision=53), nullable=True),
        sa.Column("seconds", sa.Float(precision=53), nullable=True),
        sa.Column("device", sa.String(length=300), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (claimed_by IS NOT NULL)",
            name=op.f("ck_trials_running_is_claimed"),
        ),
        sa.CheckConstraint(
            "state <> 'done' OR (test_score IS NOT NULL AND validation_score IS NOT NULL)",
            name=op.f("ck_trials_done_has_scores"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('diverged', 'failed') OR reason IS NOT NULL",
            name=op.f("ck_trials_bad_end_has_reason"),
        ),
        sa.CheckConstraint(
            "learning_rate > 0 AND weight_decay >= 0", name=op.f("ck_trials_rates_in_range")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_trials")),
    )
    op.create_index(op.f("ix_trials_claimed_by"), "trials", ["claimed_by"], unique=False)
    op.create_index(op.f("ix_trials_state"), "trials", ["state"], unique=False)
    op.create_index("ix_trials_task_finished_at", "trials", ["task", "finished_at"], unique=False)
    op.create_table(
        "curves",
        sa.Column("trial_key", sa.String(length=32), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_key"],
            ["trials.key"],
            name=op.f("fk_curves_trial_key_trials"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trial_key", name=op.f("pk_curves")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.String(length=16), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.id"],
            name=op.f("fk_events_study_id_studies"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_study_id_id", "events", ["study_id", "id"], unique=False)
    op.create_table(
        "firings",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("schedule_id", sa.String(length=16), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("manual", sa.Boolean(), nullable=False),
        sa.Column("study_id", sa.String(length=16), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "study_id IS NULL OR error IS NULL", name=op.f("ck_firings_one_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["schedule_id"],
            ["schedules.id"],
            name=op.f("fk_firings_schedule_id_schedules"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.id"],
            name=op.f("fk_firings_study_id_studies"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_firings")),
        sa.UniqueConstraint("schedule_id", "due_at", name=op.f("uq_firings_schedule_id_due_at")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("study_id", sa.String(length=16), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.id"],
            name=op.f("fk_idempotency_keys_study_id_studies"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "study_trials",
        sa.Column("study_id", sa.String(length=16), nullable=False),
        sa.Column("trial_key", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.id"],
            name=op.f("fk_study_trials_study_id_studies"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["trial_key"], ["trials.key"], name=op.f("fk_study_trials_trial_key_trials")
        ),
        sa.PrimaryKeyConstraint("study_id", "trial_key", name=op.f("pk_study_trials")),
    )
    op.create_index("ix_study_trials_trial_key", "study_trials", ["trial_key"], unique=False)


def downgrade() -> None:
    """Take the change back."""
    op.drop_index("ix_study_trials_trial_key", table_name="study_trials")
    op.drop_table("study_trials")
    op.drop_table("idempotency_keys")
    op.drop_table("firings")
    op.drop_index("ix_events_study_id_id", table_name="events")
    op.drop_table("events")
    op.drop_table("curves")
    op.drop_index("ix_trials_task_finished_at", table_name="trials")
    op.drop_index(op.f("ix_trials_state"), table_name="trials")
    op.drop_index(op.f("ix_trials_claimed_by"), table_name="trials")
    op.drop_table("trials")
    op.drop_index("ix_studies_state_created_at", table_name="studies")
    op.drop_index(op.f("ix_studies_lease_token"), table_name="studies")
    op.drop_index("ix_studies_created_at_id", table_name="studies")
    op.drop_table("studies")
    op.drop_index("ix_schedules_enabled_next_at", table_name="schedules")
    op.drop_table("schedules")
