"""Fields of what a client sends, each with its bounds."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    StrictFloat,
    StrictInt,
    WithJsonSchema,
)

from service.bodies import UNIQUE, distinct
from service.wording import shown

MAX_RATES = 200
MAX_SEEDS = 1000
MAX_SETTING = 1e300
MIN_LEARNING_RATE, MAX_RATE = 1e-12, 1000.0
MAX_TAGS = 50
MAX_NOTE = 10_000
MAX_LIMIT = 365 * 86_400.0
MAX_NAME = 100
"""Characters of a name in a catalogue, or of a hyperparameter's value."""


def _count_to_seeds(value: Any) -> Any:
    """Turn a number of seeds, n, into the seeds 0 … n-1."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MAX_SEEDS:
            raise ValueError(f"{value} seeds; choose from 1 to {MAX_SEEDS}, or list them")
        return list(range(value))
    return value


def _setting(value: Any) -> Any:
    """Refuse what is no hyperparameter's value, whichever it is; the catalogue does the rest."""
    if isinstance(value, str) and len(value) <= MAX_NAME:
        return value
    if isinstance(value, int | float) and abs(value) <= MAX_SETTING:
        return value
    raise ValueError("a number, true, false or a short string is wanted")


Setting = Annotated[
    Any,
    AfterValidator(_setting),
    WithJsonSchema(
        {
            "type": ["number", "boolean", "string"],
            "maxLength": MAX_NAME,
            "minimum": -MAX_SETTING,
            "maximum": MAX_SETTING,
        }
    ),
]
LearningRate = Annotated[StrictFloat, Field(ge=MIN_LEARNING_RATE, le=MAX_RATE, allow_inf_nan=False)]
WeightDecay = Annotated[
    StrictFloat,
    Field(ge=0, le=MAX_RATE, allow_inf_nan=False),
    AfterValidator(abs),  # -0.0 is 0.0: one trial, not two
]
Seed = Annotated[StrictInt, Field(ge=0, lt=2**31)]
NAME = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
LABEL = r"^[a-z0-9][a-z0-9._-]{0,59}$"
TAG = r"^[a-z0-9][a-z0-9._+-]{0,59}$"


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("no such moment in UTC") from error


def _name(value: str) -> str:
    """Refuse what does not stand on a line of its own."""
    if not re.fullmatch(NAME, value):
        raise ValueError(
            f"{shown(value)} is no name: one line with something else than blanks is wanted"
        )
    return value


def _label(value: str) -> str:
    """Refuse what is no label."""
    if not re.fullmatch(LABEL, value):
        raise ValueError(
            f"{shown(value)} is no label: small letters, digits and . _ - are wanted, 60 at most, "
            "of which the first is a letter or a digit"
        )
    return value


def _tag(value: str) -> str:
    """Refuse what is no tag."""
    if not re.fullmatch(TAG, value):
        raise ValueError(
            f"{shown(value)} is no tag: small letters, digits and . _ + - are wanted, 60 at most, "
            "of which the first is a letter or a digit"
        )
    return value


LearningRates = Annotated[
    tuple[LearningRate, ...],
    Field(min_length=1, max_length=MAX_RATES, json_schema_extra=UNIQUE),
    AfterValidator(distinct),
    AfterValidator(sorted),
    AfterValidator(tuple),
]
WeightDecays = Annotated[
    tuple[WeightDecay, ...],
    Field(min_length=1, max_length=MAX_RATES, json_schema_extra=UNIQUE),
    AfterValidator(distinct),
    AfterValidator(sorted),
    AfterValidator(tuple),
]
Seeds = Annotated[
    tuple[Seed, ...],
    BeforeValidator(_count_to_seeds),
    Field(min_length=1, max_length=MAX_SEEDS),
    AfterValidator(distinct),
    AfterValidator(sorted),
    AfterValidator(tuple),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_SEEDS},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
                    "minItems": 1,
                    "maxItems": MAX_SEEDS,
                    "uniqueItems": True,
                },
            ]
        }
    ),
]
Name = Annotated[
    str,
    Field(min_length=1, max_length=200),
    AfterValidator(_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 200, "pattern": NAME}),
]
Label = Annotated[str, AfterValidator(_label), WithJsonSchema({"type": "string", "pattern": LABEL})]
Tag = Annotated[str, AfterValidator(_tag), WithJsonSchema({"type": "string", "pattern": TAG})]
Tags = Annotated[
    tuple[Tag, ...],
    Field(max_length=MAX_TAGS, json_schema_extra=UNIQUE),
    AfterValidator(distinct),
    AfterValidator(sorted),
    AfterValidator(tuple),
]
NOTE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
Note = Annotated[str, Field(max_length=MAX_NOTE, pattern=NOTE)]


def _written_out(value: Any) -> Any:
    """Refuse a bare number, which would be taken for seconds since 1970."""
    if not isinstance(value, datetime) and not (
        isinstance(value, str) and re.match(r"\d{4}-", value)
    ):
        raise ValueError("a moment with its time zone is wanted, such as 2026-01-31T02:30:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_utc)]
"""Aware, in UTC."""
Priority = Annotated[StrictInt, Field(ge=-100, le=100)]
Seconds = Annotated[StrictFloat, Field(gt=0, le=MAX_LIMIT, allow_inf_nan=False)]
