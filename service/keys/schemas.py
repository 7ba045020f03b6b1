"""Keys in JSON."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, StrictInt, model_validator

from service.access.model import Mode
from service.bodies import Answer, Request
from service.keys.model import KeyState, Role
from service.studies.fields import Moment

MOST_DAYS = 3650
NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._@+-]{0,99}$"
"""What a key may be called."""


class KeyRequest(Request):
    """A key to make."""

    name: Annotated[str, Field(pattern=NAME)]
    """Whose it is, or what for; studies name it as their owner. No other key may have it, or have
    had it."""
    role: Role = Role.READER
    """reader: reads; submitter: sends studies too, and changes its own; admin: everything."""
    expires_in_days: Annotated[StrictInt, Field(ge=1, le=MOST_DAYS)] | None = None
    """Days that it opens anything, from now; null for ever, unless `expires_at` says."""
    expires_at: Moment | None = None
    """Until when, instead."""

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.expires_in_days is not None and self.expires_at is not None:
            raise ValueError("expires_in_days and expires_at say the same: drop one")
        return self


class KeyAnswer(Answer):
    """A key, without what it opens."""

    id: str
    """Also the second part of the key itself."""
    name: str
    role: Role
    state: KeyState
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """To the minute."""
    revoked_at: datetime | None


class KeyCreated(KeyAnswer):
    """A key that was just made."""

    token: str
    """The key itself, to be sent as `Authorization: Bearer …`. It is shown here and never again."""


class WhoAmI(Answer):
    """What the service takes a request's sender for."""

    role: Role
    """What may be done."""
    key: KeyAnswer | None
    """The key that came along; null where none did and none was needed."""
    access: Mode
    """Who needs a key here: open (nobody), read-open (whoever changes something) or keys
    (everybody)."""
