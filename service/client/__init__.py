"""A Python client of the service: `from service.client import Client`.

It needs neither torch nor Ray, nor what the service itself runs on.
"""

from service.client.client import Client
from service.client.errors import (
    ChangedMeanwhile,
    ClientError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    NotUnderstood,
    Problem,
    RateLimited,
    Refused,
    ServiceAway,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from service.client.retries import Retries
from service.client.stream import StudyEvent

__all__ = [
    "ChangedMeanwhile",
    "Client",
    "ClientError",
    "Conflict",
    "Forbidden",
    "InvalidRequest",
    "NotFound",
    "NotUnderstood",
    "Problem",
    "RateLimited",
    "Refused",
    "Retries",
    "ServiceAway",
    "StudyEvent",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
]
