"""The tables of what searches try, beside those of studies."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Float, ForeignKey, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UTCDateTime
from service.db.tables.columns import state_type
from workers.search.contracts import PointState


class PointRow(Base):
    """A point of a search: what was tried for one optimizer, and what came of it."""

    __tablename__ = "points"
    __table_args__ = (
        CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="running_is_open"),
        CheckConstraint(
            "state IN ('running', 'failed') OR (value IS NOT NULL AND epochs_done > 0)",
            name="result_has_value",
        ),
        CheckConstraint("state <> 'done' OR test_value IS NOT NULL", name="done_has_test_value"),
        CheckConstraint(
            "state NOT IN ('diverged', 'failed') OR reason IS NOT NULL", name="bad_end_has_reason"
        ),
        CheckConstraint("learning_rate > 0 AND weight_decay >= 0", name="rates_in_range"),
        CheckConstraint(
            "number >= 0 AND epochs_done >= 0 AND diverged >= 0", name="counts_in_range"
        ),
    )

    study_id: Mapped[str] = mapped_column(
        ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True
    )
    optimizer: Mapped[str] = mapped_column(String(60), primary_key=True)
    """Its label in the study."""
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    """Counted from 0 for each optimizer."""
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What was proposed, the two rates included."""
    learning_rate: Mapped[float] = mapped_column(Float(53))
    weight_decay: Mapped[float] = mapped_column(Float(53))
    state: Mapped[PointState] = mapped_column(state_type(PointState, "state"))
    value: Mapped[float | None] = mapped_column(Float(53))
    """Mean validation score over the seeds after its last epoch; a diverged seed scores chance."""
    test_value: Mapped[float | None] = mapped_column(Float(53))
    """Likewise on the test split; of points that are done."""
    epochs_done: Mapped[int] = mapped_column(Integer)
    scores: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Validation score of each seed after each epoch, as `service.search.scores` packs them."""
    diverged: Mapped[int] = mapped_column(Integer)
    """Seeds that diverged."""
    reason: Mapped[str | None] = mapped_column(Text)
    seconds: Mapped[float] = mapped_column(Float(53))
    """Time of training; of trials known before, what they took then."""
    device: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class ImportanceRow(Base):
    """How important the hyperparameters of a searched optimizer are."""

    __tablename__ = "importances"
    __table_args__ = (CheckConstraint("points > 0", name="has_points"),)

    study_id: Mapped[str] = mapped_column(
        ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True
    )
    optimizer: Mapped[str] = mapped_column(String(60), primary_key=True)
    """Its label in the study."""
    points: Mapped[int] = mapped_column(Integer)
    """Points with a final score that it was told from."""
    shares: Mapped[list[Any]] = mapped_column(JSON)
    """Pairs of hyperparameter and share, greatest first."""
