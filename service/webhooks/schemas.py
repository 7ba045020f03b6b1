"""Webhooks in JSON."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictBool

from service.bodies import UNIQUE, Answer, Change, Request, distinct
from service.webhooks.addresses import LONGEST
from service.webhooks.model import DeliveryState, WebhookEvent

Url = Annotated[str, Field(min_length=1, max_length=LONGEST)]
Events = Annotated[
    tuple[WebhookEvent, ...],
    Field(min_length=1, max_length=len(WebhookEvent), json_schema_extra=UNIQUE),
    AfterValidator(distinct),
]


class WebhookRequest(Request):
    """An address to be told of what happens."""

    url: Url
    """Where to send it: an https address of the internet, unless the installation allows more."""
    events: Events = tuple(WebhookEvent)
    """What to be told of."""
    own_only: StrictBool = False
    """Only of studies that were sent with the key that makes the webhook."""


class WebhookChange(Change):
    """What to change in a webhook; what is left out stays."""

    url: Url | None = None
    events: Events | None = None
    own_only: StrictBool | None = None
    enabled: StrictBool | None = None
    """Enabling it forgets that it failed."""


class WebhookAnswer(Answer):
    """An address that is told of what happens."""

    id: str
    url: str
    events: tuple[str, ...]
    own_only: bool
    enabled: bool
    failures: int
    """Deliveries in a row that were given up; too many disable it."""
    reason: str | None
    """Why it is not enabled."""
    created_at: datetime


class WebhookCreated(WebhookAnswer):
    """A webhook with its secret."""

    secret: str
    """Signs what is sent, as standardwebhooks.com has it. It is shown here and never again."""


class DeliveryAnswer(Answer):
    """Something that a webhook is told."""

    id: str
    """Also the header `webhook-id`, the same at every try."""
    event: str
    body: dict[str, Any]
    """What is sent."""
    state: DeliveryState
    attempts: int
    next_at: datetime | None
    """When it is tried next."""
    status: int | None
    """What the receiver last answered."""
    error: str | None
    """What last went wrong."""
    created_at: datetime
    finished_at: datetime | None
