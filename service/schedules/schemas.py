"""Schedules in JSON."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictBool

from service.bodies import Answer, Request
from service.search.schemas import AnyStudyRequest
from service.studies.fields import Name


class ScheduleRequest(Request):
    """A study to send again and again."""

    name: Name
    cron: Annotated[str, Field(max_length=200)]
    """Minute hour day-of-month month day-of-week, for instance `30 2 * * *`."""
    timezone: Annotated[str, Field(max_length=64)] = "UTC"
    """Of the cron expression, for instance `Europe/Berlin`."""
    study: AnyStudyRequest
    """Sent at every firing. Trials with a result are not trained again: a night on which no task,
    optimizer or engine version has changed costs nothing."""
    enabled: StrictBool = True


class ScheduleChange(Request):
    """What to change in a schedule; what is left out stays."""

    name: Name | None = None
    cron: Annotated[str, Field(max_length=200)] | None = None
    timezone: Annotated[str, Field(max_length=64)] | None = None
    study: AnyStudyRequest | None = None
    enabled: StrictBool | None = None


class ScheduleAnswer(Answer):
    """A schedule and when it fires next."""

    id: str
    name: str
    cron: str
    timezone: str
    study: AnyStudyRequest
    enabled: bool
    next_at: datetime | None
    """Null while it is disabled."""
    created_at: datetime


class DeclineAnswer(Answer):
    """An optimizer whose best cell came out significantly worse than before."""

    optimizer: str
    """Its label."""
    difference: float
    """Of the best cell's score, in the metric's unit: after less before."""
    low: float | None
    """Lower end of its 95 % interval."""
    high: float | None
    p_adjusted: float | None
    """After Holm's correction over all optimizers."""


class RegressionAnswer(Answer):
    """What came out worse than in the study that the schedule sent before."""

    before_id: str
    """That study."""
    optimizers: tuple[DeclineAnswer, ...]


class FiringAnswer(Answer):
    """One run of a schedule."""

    id: str
    due_at: datetime
    """When it was due; unique in a schedule."""
    manual: bool
    """Whether somebody asked for it, rather than the clock."""
    study_id: str | None
    """The study that was sent; null when none could be, or it was deleted since."""
    error: str | None
    """Why no study could be sent."""
    regression: RegressionAnswer | None
    """What came out worse; null where nothing did, or it is not known yet."""
    created_at: datetime
