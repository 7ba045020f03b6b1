"""Schedules in JSON."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictBool

from service.bodies import Answer, Change, Request
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


class ScheduleChange(Change):
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


class TrendScoreAnswer(Answer):
    """What an optimizer scored in one of a schedule's studies."""

    optimizer: str
    """Its label."""
    title: str
    best: float | None
    """Score of its best cell or point, chosen on validation; null where it has none."""
    low: float | None
    """Lower end of the 95 % interval, over seeds; null of a search, and of too few seeds."""
    high: float | None
    regression: DeclineAnswer | None
    """By how much it came out worse than in the study sent before; null where it did not."""


class TrendAnswer(Answer):
    """What came of one study that a schedule sent, and that is done."""

    firing_id: str
    due_at: datetime
    """When it was due."""
    study_id: str
    task: str
    metric: str | None
    """As the task calls it."""
    maximize: bool | None
    """Whether more of the metric is better."""
    percent: bool | None
    """Whether the metric is a share in [0, 1]."""
    optimizers: tuple[TrendScoreAnswer, ...]
    worse_than: str | None
    """The study sent before that an optimizer came out worse than; null where none did."""
    reason: str | None
    """Why metric and scores cannot be told: the task has left the catalogue, for instance."""


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
