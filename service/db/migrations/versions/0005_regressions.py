"""What came out worse is kept with the firing, for pages to show."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply the change."""
    op.add_column("firings", sa.Column("regression", sa.JSON(), nullable=True))
    op.create_index(op.f("ix_firings_study_id"), "firings", ["study_id"])


def downgrade() -> None:
    """Take the change back: what came out worse is forgotten."""
    op.drop_index(op.f("ix_firings_study_id"), "firings")
    op.drop_column("firings", "regression")
