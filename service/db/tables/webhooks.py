"""The tables of webhooks."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, Integer, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UTCDateTime
from service.db.tables.columns import state_type
from service.webhooks.model import DeliveryState


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
    state: Mapped[DeliveryState] = mapped_column(state_type(DeliveryState, "state"))
    attempts: Mapped[int] = mapped_column(Integer)
    next_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    status: Mapped[int | None] = mapped_column(Integer)
    """What the receiver last answered."""
    error: Mapped[str | None] = mapped_column(Text)
    """What last went wrong."""
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
