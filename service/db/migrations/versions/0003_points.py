"""Points of a search, and the importance of its hyperparameters."""

import sqlalchemy as sa
from alembic import op

from service.db.base import UTCDateTime

revision = "0003"
down_revision = "0002"

STUDIES = sa.table("studies", sa.column("id", sa.String), sa.column("spec", sa.JSON))
SCHEDULES = sa.table("schedules", sa.column("id", sa.String), sa.column("study", sa.JSON))


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "points",
        sa.Column("study_id", sa.String(length=16), nullable=False),
        sa.Column("optimizer", sa.String(length=60), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("learning_rate", sa.Float(precision=53), nullable=False),
        sa.Column("weight_decay", sa.Float(precision=53), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "running",
                "done",
                "pruned",
                "diverged",
                "failed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("value", sa.Float(precision=53), nullable=True),
        sa.Column("test_value", sa.Float(precision=53), nullable=True),
        sa.Column("epochs_done", sa.Integer(), nullable=False),
        sa.Column("scores", sa.LargeBinary(), nullable=True),
        sa.Column("diverged", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Float(precision=53), nullable=False),
        sa.Column("device", sa.String(length=300), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (finished_at IS NULL)", name=op.f("ck_points_running_is_open")
        ),
        sa.CheckConstraint(
            "state IN ('running', 'failed') OR (value IS NOT NULL AND epochs_done > 0)",
            name=op.f("ck_points_result_has_value"),
        ),
        sa.CheckConstraint(
            "state <> 'done' OR test_value IS NOT NULL", name=op.f("ck_points_done_has_test_value")
        ),
        sa.CheckConstraint(
            "state NOT IN ('diverged', 'failed') OR reason IS NOT NULL",
            name=op.f("ck_points_bad_end_has_reason"),
        ),
        sa.CheckConstraint(
            "learning_rate > 0 AND weight_decay >= 0", name=op.f("ck_points_rates_in_range")
        ),
        sa.CheckConstraint(
            "number >= 0 AND epochs_done >= 0 AND diverged >= 0",
            name=op.f("ck_points_counts_in_range"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.id"],
            name=op.f("fk_points_study_id_studies"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study_id", "optimizer", "number", name=op.f("pk_points")),
    )
    op.create_table(
        "importances",
        sa.Column("study_id", sa.String(length=16), nullable=False),
        sa.Column("optimizer", sa.String(length=60), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("shares", sa.JSON(), nullable=False),
        sa.CheckConstraint("points > 0", name=op.f("ck_importances_has_points")),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.id"],
            name=op.f("fk_importances_study_id_studies"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study_id", "optimizer", name=op.f("pk_importances")),
    )


def downgrade() -> None:
    """Take the change back, and with it the searches, which were nothing known before."""
    connection = op.get_bind()
    for table, column in ((SCHEDULES, "study"), (STUDIES, "spec")):
        for row, content in connection.execute(sa.select(table.c.id, table.c[column])).all():
            one = table.c.id == row
            if content.pop("mode", "grid") == "search":
                connection.execute(sa.delete(table).where(one))
            else:  # a schedule's study may say that it is a grid, which went without saying
                connection.execute(sa.update(table).where(one).values({column: content}))
    op.drop_table("importances")
    op.drop_table("points")
