"""States that cannot be are refused by the database as well; trials have places of their own."""

from itertools import groupby

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

CHECKS = {
    "studies": {
        "running_has_lease": "state <> 'running' OR lease_token IS NOT NULL",
        "open_until_finished": "(state IN ('queued', 'running')) = (finished_at IS NULL)",
        "failed_has_error": "state <> 'failed' OR error IS NOT NULL",
        "open_has_no_error": "state NOT IN ('queued', 'running') OR error IS NULL",
    },
    "trials": {
        "seed_in_range": "seed >= 0",
        "attempts_in_range": "attempts >= 0",
        "epochs_done_in_range": "epochs_done BETWEEN 0 AND epochs",
    },
}
HAS_EPOCHS = "epochs > 0"

MENDED = (
    "UPDATE studies SET state = 'queued' WHERE state = 'running' AND lease_token IS NULL",
    "UPDATE studies SET finished_at = NULL, error = NULL WHERE state IN ('queued', 'running') "
    "AND (finished_at IS NOT NULL OR error IS NOT NULL)",
    "UPDATE studies SET finished_at = COALESCE(started_at, created_at) "
    "WHERE state NOT IN ('queued', 'running') AND finished_at IS NULL",
    "UPDATE studies SET error = 'the reason was not kept' WHERE state = 'failed' AND error IS NULL",
    "UPDATE trials SET attempts = 0 WHERE attempts < 0",
    "UPDATE trials SET epochs_done = CASE WHEN epochs_done < 0 THEN 0 ELSE epochs END "
    "WHERE epochs_done NOT BETWEEN 0 AND epochs",
    f"DELETE FROM curves WHERE NOT ({HAS_EPOCHS})",  # noqa: S608 - ours
)
"""What the service does not write, and whoever changed rows by hand may have: the least that makes
them possible."""

PLACES = sa.table(
    "study_trials", sa.column("study_id"), sa.column("trial_key"), sa.column("position")
)
POSITION = "ix_study_trials_position"


def upgrade() -> None:
    """Apply the change."""
    for statement in MENDED:
        op.execute(statement)
    _number_again()
    _index_places()
    if _sqlite():
        for table, checks in CHECKS.items():
            named = (f"CONSTRAINT ck_{table}_{name} CHECK ({it})" for name, it in checks.items())
            _renew(table, " ".join(named))
        _rebuild_curves(sa.CheckConstraint(HAS_EPOCHS, name=op.f("ck_curves_has_epochs")))
        return
    for table, checks in CHECKS.items():
        for name, condition in checks.items():
            op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    op.create_check_constraint(op.f("ck_curves_has_epochs"), "curves", HAS_EPOCHS)


def downgrade() -> None:
    """Take the change back; the rows may stay as they are."""
    op.drop_index(POSITION, "study_trials")
    if _sqlite():
        for table in CHECKS:
            _renew(table)
        _rebuild_curves()
        return
    for table, checks in CHECKS.items():
        for name in checks:
            op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
    op.drop_constraint(op.f("ck_curves_has_epochs"), "curves")


def _sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _number_again() -> None:
    """Give trials places of their own, in the same order, where a search gave two the same."""
    connection = op.get_bind()
    study, key, position = PLACES.c
    double = sa.select(study).group_by(study, position).having(sa.func.count() > 1)
    rows = connection.execute(
        sa.select(study, key).where(study.in_(double)).order_by(study, position, key)
    ).all()
    if not rows:
        return
    connection.execute(
        sa.update(PLACES)
        .where(study == sa.bindparam("of"), key == sa.bindparam("its"))
        .values(position=sa.bindparam("place")),
        [
            {"of": study_id, "its": row.trial_key, "place": place}
            for study_id, of_study in groupby(rows, lambda row: row.study_id)
            for place, row in enumerate(of_study)
        ],
    )


def _index_places() -> None:
    # Some databases have it from before, not unique.
    op.drop_index(POSITION, "study_trials", if_exists=True)
    op.create_index(POSITION, "study_trials", ["study_id", "position"], unique=True)
    if _sqlite():
        # Its planner is told that it is worse than it is: where both will do, trials are read in
        # the order of their keys.
        op.execute(f"DELETE FROM sqlite_stat1 WHERE idx = '{POSITION}'")  # noqa: S608 - ours
        op.execute(
            "INSERT INTO sqlite_stat1 "  # noqa: S608 - ours
            f"VALUES ('study_trials', '{POSITION}', '1000000 200 1')"
        )


def _renew(table: str, constraints: str = "") -> None:
    """Make a column anew, with constraints of the whole table.

    SQLite takes them with a new column alone, and to copy the table would take along whatever
    refers to it. This column is in no index and in no constraint.
    """
    op.execute(f"ALTER TABLE {table} ADD COLUMN new_last_loss TEXT {constraints}")
    op.execute(
        f"UPDATE {table} SET new_last_loss = last_loss "  # noqa: S608 - our own names
        "WHERE last_loss IS NOT NULL"
    )
    op.execute(f"ALTER TABLE {table} DROP COLUMN last_loss")
    op.execute(f"ALTER TABLE {table} RENAME COLUMN new_last_loss TO last_loss")


def _rebuild_curves(*constraints: sa.CheckConstraint) -> None:
    """Make the table anew, to which none refers."""
    op.create_table(
        "new_curves",
        sa.Column("trial_key", sa.String(length=32), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        *constraints,
        sa.ForeignKeyConstraint(
            ["trial_key"],
            ["trials.key"],
            name=op.f("fk_curves_trial_key_trials"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trial_key", name=op.f("pk_curves")),
    )
    op.execute("INSERT INTO new_curves SELECT trial_key, epochs, data FROM curves")
    op.drop_table("curves")
    op.rename_table("new_curves", "curves")
