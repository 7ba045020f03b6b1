"""The tables. Their constraints make wrong states impossible, whoever writes."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UTCDateTime
from service.keys.model import Role
from service.runners.model import RunnerState
from service.studies.model import StudyState
from service.trials.model import TrialState
from service.webhooks.model import DeliveryState
from workers.search.contracts import PointState


def _state(kind: type[StrEnum], name: str) -> Enum:
    """Make a column type that stores the value and lets the database check it."""
    return Enum(
        kind,
        values_callable=lambda states: [state.value for state in states],
        native_enum=False,
        create_constraint=True,
        name=name,
        length=16,
    )


def _partial(name: str, *columns: str) -> Index:
    """Make an index of the rows in which the last of its columns holds something."""
    where = text(f"{columns[-1]} IS NOT NULL")
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


class KeyRow(Base):
    """An API key. What it opens is known to its holder alone: only a hash is kept."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("name"), UniqueConstraint("hash"))

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    """Also the key's first part, which may be shown."""
    name: Mapped[str] = mapped_column(String(100))
    """Whose it is, or what for; studies name it as their owner."""
    hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the secret, which is random and long: nothing slower is needed."""
    role: Mapped[Role] = mapped_column(_state(Role, "role"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class SessionRow(Base):
    """A browser that signed in with a key. What it holds is a random token; here is its hash."""

    __tablename__ = "sessions"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the token."""
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class StudyRow(Base):
    """A study: what was asked for, where it stands, and who works on it."""

    __tablename__ = "studies"
    __table_args__ = (
        CheckConstraint(
            "(lease_token IS NULL) = (lease_expires_at IS NULL)", name="lease_is_whole"
        ),
        CheckConstraint("lease_token IS NULL OR state = 'running'", name="lease_means_running"),
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
    state: Mapped[StudyState] = mapped_column(_state(StudyState, "state"))
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
        # Most trials need not be in these while they wait.
        _partial("ix_trials_task_finished_at", "task", "finished_at"),
        _partial("ix_trials_claimed_by", "claimed_by"),
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

    state: Mapped[TrialState] = mapped_column(_state(TrialState, "state"), index=True)
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

    trial_key: Mapped[str] = mapped_column(
        ForeignKey("trials.key", ondelete="CASCADE"), primary_key=True
    )
    epochs: Mapped[int] = mapped_column(Integer)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    """As `service.trials.curves.pack` writes it."""


class StudyTrialRow(Base):
    """Which trials a study consists of, in the order to train them."""

    __tablename__ = "study_trials"
    __table_args__ = (Index("ix_study_trials_trial_key", "trial_key"),)

    study_id: Mapped[str] = mapped_column(
        ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True
    )
    trial_key: Mapped[str] = mapped_column(ForeignKey("trials.key"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer)


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
    state: Mapped[PointState] = mapped_column(_state(PointState, "state"))
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


class ScheduleRow(Base):
    """A study to send again and again, by the clock."""

    __tablename__ = "schedules"
    __table_args__ = (
        Index("ix_schedules_enabled_next_at", "enabled", "next_at"),
        CheckConstraint("NOT enabled OR next_at IS NOT NULL", name="enabled_has_next"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    cron: Mapped[str] = mapped_column(String(200))
    timezone: Mapped[str] = mapped_column(String(64))
    study: Mapped[dict[str, Any]] = mapped_column(JSON)
    enabled: Mapped[bool]
    next_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class FiringRow(Base):
    """One run of a schedule. The database itself stops a second one for the same time."""

    __tablename__ = "firings"
    __table_args__ = (
        UniqueConstraint("schedule_id", "due_at"),
        CheckConstraint("study_id IS NULL OR error IS NULL", name="one_outcome"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    schedule_id: Mapped[str] = mapped_column(ForeignKey("schedules.id", ondelete="CASCADE"))
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    manual: Mapped[bool]
    study_id: Mapped[str | None] = mapped_column(ForeignKey("studies.id", ondelete="SET NULL"))
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    compared_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When its study, which had ended, was compared with the one before."""


class RunnerRow(Base):
    """A runner that works through the queue, as it last said."""

    __tablename__ = "runners"
    __table_args__ = (
        CheckConstraint("study_id IS NULL OR state <> 'idle'", name="idle_has_no_study"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    """Random, new with every start."""
    host: Mapped[str] = mapped_column(String(200))
    pid: Mapped[int] = mapped_column(Integer)
    devices: Mapped[list[Any]] = mapped_column(JSON)
    """One `service.runners.model.DeviceUse` a worker."""
    state: Mapped[RunnerState] = mapped_column(_state(RunnerState, "state"))
    study_id: Mapped[str | None] = mapped_column(
        ForeignKey("studies.id", ondelete="SET NULL"), index=True
    )
    started_at: Mapped[datetime] = mapped_column(UTCDateTime)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)


class WebhookRow(Base):
    """An address that is told of what happens."""

    __tablename__ = "webhooks"
    __table_args__ = (
        CheckConstraint("failures >= 0", name="failures_in_range"),
        CheckConstraint("enabled OR reason IS NOT NULL", name="disabled_has_reason"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"))
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]] = mapped_column(JSON)
    """`service.webhooks.model.WebhookEvent`."""
    own_only: Mapped[bool] = mapped_column(server_default=false())
    """Whether it is told of its owner's studies alone."""
    secret: Mapped[str] = mapped_column(String(100))
    """Signs what is sent; shown once, when the webhook is made."""
    enabled: Mapped[bool]
    failures: Mapped[int] = mapped_column(Integer)
    """Deliveries in a row that were given up."""
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it is not enabled."""
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class DeliveryRow(Base):
    """Something to tell a webhook."""

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint("(state = 'waiting') = (next_at IS NOT NULL)", name="waiting_has_next"),
        CheckConstraint("(state = 'waiting') = (finished_at IS NULL)", name="waiting_is_open"),
        CheckConstraint("attempts >= 0", name="attempts_in_range"),
        Index("ix_deliveries_state_next_at", "state", "next_at"),
        Index("ix_deliveries_webhook_id_created_at", "webhook_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    """Sent along, so that a receiver can tell a repetition."""
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(String(40))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[DeliveryState] = mapped_column(_state(DeliveryState, "state"))
    attempts: Mapped[int] = mapped_column(Integer)
    next_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    status: Mapped[int | None] = mapped_column(Integer)
    """What the receiver last answered."""
    error: Mapped[str | None] = mapped_column(Text)
    """What last went wrong."""
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class HeartbeatRow(Base):
    """A process without a port, such as the scheduler, as it last said that it is alive."""

    __tablename__ = "heartbeats"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    """Random, new with every start."""
    kind: Mapped[str] = mapped_column(String(16))
    host: Mapped[str] = mapped_column(String(200))
    pid: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(UTCDateTime)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)


class CounterRow(Base):
    """What was counted so far by processes that nobody can ask."""

    __tablename__ = "counters"
    __table_args__ = (CheckConstraint("value >= 0", name="value_in_range"),)

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)
