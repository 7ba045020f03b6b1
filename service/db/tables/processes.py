"""The tables of processes, and of what they count."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UTCDateTime
from service.db.tables.columns import state_type
from service.runners.model import RunnerState


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
    state: Mapped[RunnerState] = mapped_column(state_type(RunnerState, "state"))
    study_id: Mapped[str | None] = mapped_column(
        ForeignKey("studies.id", ondelete="SET NULL"), index=True
    )
    started_at: Mapped[datetime] = mapped_column(UTCDateTime)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)


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
