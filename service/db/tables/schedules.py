"""The tables of schedules."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UTCDateTime


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
    study_id: Mapped[str | None] = mapped_column(
        ForeignKey("studies.id", ondelete="SET NULL"), index=True
    )
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    compared_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When its study, which had ended, was compared with the one before."""
    regression: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What came out worse then: `service.schedules.model.Regression`."""
