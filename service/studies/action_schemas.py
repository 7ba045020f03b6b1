"""What a client sends to change, extend or clone a study."""

from typing import Annotated, Self

from pydantic import Field, StrictInt, model_validator

from service.bodies import Change, Request, distinct
from service.search.schemas import MAX_POINTS, MAX_SECONDS
from service.studies.fields import (
    MAX_RATES,
    LearningRates,
    Name,
    Note,
    Priority,
    Seconds,
    Seeds,
    Tags,
    WeightDecays,
)
from service.studies.schemas import LimitsChoice, OptimizerChoice


class StudyChange(Change):
    """What to change in a study; what is left out stays."""

    name: Name | None = None
    tags: Tags | None = None
    """In place of all it has."""
    note: Note | None = None
    priority: Priority | None = None
    limits: LimitsChoice | None = None
    """In place of both it has: a limit that is left out is none."""


class StudyExtension(Request):
    """What to add to a study. What it has already is not trained again, and no error."""

    seeds: Seeds | None = None
    """Of a grid: more seeds. As for a new study, a number n stands for the seeds 0 … n-1."""
    learning_rates: LearningRates | None = None
    """Of a grid: more of them."""
    weight_decays: WeightDecays | None = None
    """Likewise."""
    optimizers: (
        Annotated[tuple[OptimizerChoice, ...], Field(min_length=1, max_length=MAX_RATES)] | None
    ) = None
    """Of a grid: more of them, under labels that it does not have yet."""
    points: Annotated[StrictInt, Field(ge=1, le=MAX_POINTS)] | None = None
    """Of a search: points an optimizer is given from now on, those it had included."""
    seconds: Annotated[Seconds, Field(le=MAX_SECONDS)] | None = None
    """Of a search whose budget is in seconds: likewise."""

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        distinct(tuple(choice.shown_as for choice in self.optimizers or ()))
        return self
