"""The tables of studies and their trials."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UTCDateTime
from service.db.tables.columns import partial_index, state_type
from service.studies.model import StudyState
from service.trials.model import TrialState


class StudyRow(Base):
    """A study: what was asked for, where it stands, and who works on it."""

    __tablename__ = "studies"
    __table_args__ = (
        CheckConstraint(
            "(lease_token IS NULL) = (lease_expires_at IS NULL)", name="lease_is_whole"
        ),
        CheckConstraint("lease_token IS NULL OR state = 'running'", name="lease_means_running"),
        CheckConstraint("state <> 'running' OR lease_token IS NOT NULL", name="running_has_lease"),
        CheckConstraint(
            "(state IN ('queued', 'running')) = (finished_at IS NULL)", name="open_until_finished"
        ),
        CheckConstraint("state <> 'failed' OR error IS NOT NULL", name="failed_has_error"),
        CheckConstraint(
            "state NOT IN ('queued', 'running') OR error IS NULL", name="open_has_no_error"
        ),
        CheckConstraint("priority BETWEEN -100 AND 100", name="priority_in_range"),
        CheckConstraint("time_limit > 0", name="time_limit_in_range"),
        CheckConstraint("training_limit > 0", name="training_limit_in_range"),
        CheckConstraint("seconds_running >= 0", name="seconds_running_in_range"),
        CheckConstraint("seconds_trained >= 0", name="seconds_trained_in_range"),
        CheckConstraint("losses >= 0", name="losses_in_range"),
        CheckConstraint("(imported_at IS NULL) = (origin IS NULL)", name="imported_has_origin"),
        Index("ix_studies_created_at_id", "created_at", "id"),
        Index("ix_studies_state_created_at", "state", "created_at"),
        Index("ix_studies_owner_id_claimed_at", "owner_id", "claimed_at"),
        # All that the order of the queue asks of a study, so that its long spec is not read.
        Index(
            "ix_studies_queue",
            "state",
            "priority",
            "owner_id",
            "created_at",
            "lease_expires_at",
            "id",
        ),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    task: Mapped[str] = mapped_column(String(100))
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The request in its canonical form, every default written out."""
    state: Mapped[StudyState] = mapped_column(state_type(StudyState, "state"))
    error: Mapped[str | None] = mapped_column(Text)
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"))
    """The key it was sent with; None where none was needed."""
    note: Mapped[str] = mapped_column(Text, server_default="")
    """For people."""
    priority: Mapped[int] = mapped_column(Integer, server_default="0")
    """Studies with a higher one are trained first."""
    time_limit: Mapped[float | None] = mapped_column(Float(53))
    """Seconds that it may be running."""
    training_limit: Mapped[float | None] = mapped_column(Float(53))
    """Seconds that workers may train it, all of them together."""
    seconds_running: Mapped[float] = mapped_column(Float(53), server_default="0")
    """So far, while a runner had it."""
    seconds_trained: Mapped[float] = mapped_column(Float(53), server_default="0")
    """So far, counted by worker: two that train for a second make two."""
    losses: Mapped[int] = mapped_column(Integer, server_default="0")
    """Runners in a row that fell silent while they had it, and got nothing done."""
    last_loss: Mapped[str | None] = mapped_column(Text)
    """Which runner, when."""
    reused: Mapped[int] = mapped_column(Integer)
    """Trials whose result was known when the study was sent."""
    device: Mapped[str | None] = mapped_column(String(300))
    seconds_left: Mapped[float | None] = mapped_column(Float(53))
    """Its runner's estimate, as of `estimated_at`."""
    estimated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    claimed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When a runner last took it: owners take turns by this."""
    imported_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When it came here as an archive; None where it was sent here."""
    origin: Mapped[str | None] = mapped_column(Text)
    """Which archive, of which version."""
    lease_token: Mapped[str | None] = mapped_column(String(32), index=True)
    """Random, new with every claim: a writer that lost its lease holds an old one."""
    lease_expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class TagRow(Base):
    """A study's tags."""

    __tablename__ = "study_tags"
    __table_args__ = (Index("ix_study_tags_tag", "tag"),)

    study_id: Mapped[str] = mapped_column(
        ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True
    )
    tag: Mapped[str] = mapped_column(String(60), primary_key=True)


class TrialRow(Base):
    """A training run, shared by every study that asks for it."""

    __tablename__ = "trials"
    __table_args__ = (
        CheckConstraint(
            "(state = 'running') = (claimed_by IS NOT NULL)", name="running_is_claimed"
        ),
        CheckConstraint(
            "state <> 'done' OR (test_score IS NOT NULL AND validation_score IS NOT NULL)",
            name="done_has_scores",
        ),
        CheckConstraint(
            "state NOT IN ('diverged', 'failed') OR reason IS NOT NULL", name="bad_end_has_reason"
        ),
        CheckConstraint("learning_rate > 0 AND weight_decay >= 0", name="rates_in_range"),
        CheckConstraint("seed >= 0", name="seed_in_range"),
        CheckConstraint("attempts >= 0", name="attempts_in_range"),
        CheckConstraint("epochs_done BETWEEN 0 AND epochs", name="epochs_done_in_range"),
        # Most trials need not be in these while they wait.
        partial_index("ix_trials_task_finished_at", "task", "finished_at"),
        partial_index("ix_trials_claimed_by", "claimed_by"),
    )

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    """`workers.contracts.TrialSpec.key`."""
    task: Mapped[str] = mapped_column(String(100))
    task_version: Mapped[int] = mapped_column(Integer)
    optimizer: Mapped[str] = mapped_column(String(100))
    optimizer_version: Mapped[int] = mapped_column(Integer)
    hyperparameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    learning_rate: Mapped[float] = mapped_column(Float(53))
    weight_decay: Mapped[float] = mapped_column(Float(53))
    seed: Mapped[int] = mapped_column(Integer)
    epochs: Mapped[int] = mapped_column(Integer)
    batch_size: Mapped[int] = mapped_column(Integer)
    schedule: Mapped[str] = mapped_column(String(16))
    numerics: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")
    """`workers.contracts.NumericMode`, complete."""
    engine_version: Mapped[int] = mapped_column(Integer)

    state: Mapped[TrialState] = mapped_column(state_type(TrialState, "state"), index=True)
    claimed_by: Mapped[str | None] = mapped_column(String(32))
    """Lease token of the study that trains it now."""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    """Workers that died with it."""
    last_loss: Mapped[str | None] = mapped_column(Text)
    """Why the last of them died."""
    epochs_done: Mapped[int] = mapped_column(Integer, default=0)
    reason: Mapped[str | None] = mapped_column(Text)
    validation_score: Mapped[float | None] = mapped_column(Float(53))
    validation_loss: Mapped[float | None] = mapped_column(Float(53))
    test_score: Mapped[float | None] = mapped_column(Float(53))
    test_loss: Mapped[float | None] = mapped_column(Float(53))
    train_loss: Mapped[float | None] = mapped_column(Float(53))
    seconds: Mapped[float | None] = mapped_column(Float(53))
    """Its share of the time its pack trained."""
    device: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class CurveRow(Base):
    """A trial's curves, apart from the trials so that those are quick to scan."""

    __tablename__ = "curves"
    __table_args__ = (CheckConstraint("epochs > 0", name="has_epochs"),)

    trial_key: Mapped[str] = mapped_column(
        ForeignKey("trials.key", ondelete="CASCADE"), primary_key=True
    )
    epochs: Mapped[int] = mapped_column(Integer)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    """As `service.trials.curves.pack` writes it."""


class StudyTrialRow(Base):
    """Which trials a study consists of, in the order to train them."""

    __tablename__ = "study_trials"
    __table_args__ = (
        Index("ix_study_trials_trial_key", "trial_key"),
        # Of a page of a study's trials, so that what comes before it is neither sorted nor read.
        Index("ix_study_trials_position", "study_id", "position", unique=True),
    )

    study_id: Mapped[str] = mapped_column(
        ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True
    )
    trial_key: Mapped[str] = mapped_column(ForeignKey("trials.key"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer)


class IdempotencyRow(Base):
    """Answers already given, by the client's `Idempotency-Key`."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class EventRow(Base):
    """What changed in a study, in order: the source of the event stream."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_study_id_id", "study_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    parts: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
