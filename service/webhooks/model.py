"""What webhooks are told, and how far that has come."""

from enum import StrEnum


class WebhookEvent(StrEnum):
    """What a webhook may be told of."""

    STUDY_ENDED = "study.ended"
    """A study is done, failed or cancelled."""
    REGRESSION = "regression"
    """A scheduled study came out worse than those before it."""


class DeliveryState(StrEnum):
    """How far a delivery has come."""

    WAITING = "waiting"
    """For its first try, or the next."""
    DELIVERED = "delivered"
    GIVEN_UP = "given up"
