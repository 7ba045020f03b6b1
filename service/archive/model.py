"""What an archive holds: records that check themselves.

An archive is a zip of JSON: ``archive.json`` says what it is and what the other files hash to,
``study.json`` is the study, ``trials.jsonl`` has one line a trial in their order; of a search there
are ``points.jsonl`` and ``importances.jsonl`` as well. There is no code in it, and nothing is ever
unpacked to a disk. docs/guides/archives.md describes it.
"""

import base64
import binascii
from datetime import UTC
from math import isfinite, isinf
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictInt,
    StrictStr,
)

from service.studies.model import StudyState
from service.trials.model import TrialState
from workers.search.contracts import PointState

FORMAT = "lpwd-study"
VERSION = 1
ARCHIVE, STUDY, TRIALS = "archive.json", "study.json", "trials.jsonl"
POINTS, IMPORTANCES = "points.jsonl", "importances.jsonl"
GRID_FILES = (STUDY, TRIALS)
SEARCH_FILES = (STUDY, TRIALS, POINTS, IMPORTANCES)

INFINITE = {"inf": float("inf"), "-inf": float("-inf")}


def _read_number(value: Any) -> Any:
    return INFINITE.get(value, value) if isinstance(value, str) else value


def _write_number(value: float | None) -> Any:
    """Write what JSON has no number for as text; NaN is no value, as on SQLite."""
    if value is None or isfinite(value):
        return value
    return ("inf" if value > 0 else "-inf") if isinf(value) else None


def _read_bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


Number = Annotated[
    float, BeforeValidator(_read_number), PlainSerializer(_write_number, when_used="json")
]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Moment = Annotated[
    AwareDatetime,
    AfterValidator(lambda moment: moment.astimezone(UTC)),
    PlainSerializer(lambda moment: moment.isoformat(), when_used="json"),
]
Bytes = Annotated[
    bytes,
    BeforeValidator(_read_bytes),
    PlainSerializer(lambda data: base64.b64encode(data).decode(), when_used="json"),
]
Text = Annotated[StrictStr, Field(max_length=100_000)]
Count = Annotated[StrictInt, Field(ge=0, lt=2**31)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """A part of an archive: what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Manifest(Record):
    """``archive.json``."""

    format: Literal["lpwd-study"]
    version: Annotated[StrictInt, Field(ge=1)]
    lpwd: Annotated[StrictStr, Field(max_length=60, pattern=r"^[0-9A-Za-z.+!-]+$")]
    """Version that wrote it."""
    engine: Count
    files: dict[Annotated[str, Field(max_length=40)], Hash]
    """Name to SHA-256 of all others."""


class StudyRecord(Record):
    """``study.json``: a study that has ended."""

    id: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{12}$")]
    name: Annotated[StrictStr, Field(min_length=1, max_length=200)]
    spec: dict[str, Any]
    state: StudyState
    error: Text | None
    tags: tuple[Annotated[StrictStr, Field(max_length=60)], ...]
    note: Text
    priority: Annotated[StrictInt, Field(ge=-100, le=100)]
    time_limit: Annotated[Finite, Field(gt=0)] | None
    training_limit: Annotated[Finite, Field(gt=0)] | None
    seconds_running: Annotated[Finite, Field(ge=0)]
    seconds_trained: Annotated[Finite, Field(ge=0)]
    reused: Count
    device: Annotated[StrictStr, Field(max_length=300)] | None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None


class TrialRecord(Record):
    """A line of ``trials.jsonl``."""

    key: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{32}$")]
    task: Annotated[StrictStr, Field(max_length=100)]
    task_version: Count
    optimizer: Annotated[StrictStr, Field(max_length=100)]
    optimizer_version: Count
    hyperparameters: dict[str, Any]
    learning_rate: Finite
    weight_decay: Finite
    seed: Count
    epochs: Count
    batch_size: Count
    schedule: Annotated[StrictStr, Field(max_length=16)]
    numerics: dict[str, Any]
    engine_version: Count
    state: TrialState
    attempts: Count
    epochs_done: Count
    reason: Text | None
    validation_score: Number | None
    validation_loss: Number | None
    test_score: Number | None
    test_loss: Number | None
    train_loss: Number | None
    seconds: Annotated[Finite, Field(ge=0)] | None
    device: Annotated[StrictStr, Field(max_length=300)] | None
    created_at: Moment
    finished_at: Moment | None
    curves: Bytes | None
    """As `service.trials.curves` packs them."""


class PointRecord(Record):
    """A line of ``points.jsonl``."""

    optimizer: Annotated[StrictStr, Field(max_length=60)]
    number: Count
    parameters: dict[str, float | int | bool | str]
    learning_rate: Annotated[Finite, Field(gt=0)]
    weight_decay: Annotated[Finite, Field(ge=0)]
    state: PointState
    value: Number | None
    test_value: Number | None
    epochs_done: Count
    scores: Bytes | None
    """As `service.search.scores` packs them."""
    diverged: Count
    reason: Text | None
    seconds: Annotated[Finite, Field(ge=0)]
    device: Annotated[StrictStr, Field(max_length=300)] | None
    created_at: Moment
    finished_at: Moment | None


class ImportanceRecord(Record):
    """A line of ``importances.jsonl``."""

    optimizer: Annotated[StrictStr, Field(max_length=60)]
    points: Annotated[StrictInt, Field(gt=0)]
    shares: tuple[tuple[StrictStr, Annotated[Finite, Field(ge=0, le=1)]], ...]
