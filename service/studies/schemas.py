"""What a client sends and gets: studies in JSON."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import CoreSchema, ErrorType

from service.search.model import StudyMode
from service.studies.model import StudyState
from service.wording import shown, unknown
from workers.contracts import Budget, LearningRateSchedule, Precision

MAX_RATES = 200
MAX_SEEDS = 1000
MAX_SETTING = 1e300
MIN_LEARNING_RATE, MAX_RATE = 1e-12, 1000.0
MAX_TAGS = 50
MAX_NOTE = 10_000
MAX_LIMIT = 365 * 86_400.0
MAX_NAME = 100
"""Characters of a name in a catalogue, or of a hyperparameter's value."""


class Request(BaseModel):
    """A body from a client: what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, frozen=True)

    @model_validator(mode="wrap")
    @classmethod
    def _unknown_fields_are_named(
        cls, value: Any, validated: ModelWrapValidatorHandler[Self]
    ) -> Self:
        """Say of a field that there is not which there are."""
        try:
            return validated(value)
        except ValidationError as error:
            found = error.errors(include_url=False)
            if not any(_unknown(one) for one in found):
                raise
            raise ValidationError.from_exception_data(
                error.title, [_named(one, tuple(cls.model_fields)) for one in found]
            ) from None


def _unknown(error: ErrorDetails) -> bool:
    """Whether an error is that of a field that the model at hand does not have."""
    return error["type"] == "extra_forbidden" and len(error["loc"]) == 1


def _named(error: ErrorDetails, fields: tuple[str, ...]) -> InitErrorDetails:
    """Return an error as it was, that of an unknown field in words that name the known ones."""
    kind: str | PydanticCustomError = error["type"]
    if _unknown(error):
        words = unknown(str(error["loc"][0]), fields)
        kind = PydanticCustomError("unknown_field", "{said}", {"said": words})
    elif kind not in _OF_PYDANTIC:
        kind = PydanticCustomError(error["type"], "{said}", {"said": error["msg"]})
    return InitErrorDetails(
        type=kind, loc=error["loc"], input=error["input"], ctx=error.get("ctx", {})
    )


_OF_PYDANTIC = frozenset(get_args(ErrorType)) - {"value_error"}
"""Kinds of errors that can be made anew from their context alone."""


class Answer(BaseModel):
    """A body to a client."""

    model_config = ConfigDict(
        use_attribute_docstrings=True, from_attributes=True, frozen=True, ser_json_inf_nan="null"
    )


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a list that names a value twice."""
    seen: set[Any] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{value!r} stands there twice; name every value once")
        seen.add(value)
    return values


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


UNIQUE: dict[str, Any] = {"uniqueItems": True}
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


class OptimizerChoice(Request):
    """An optimizer of the catalogue, with hyperparameters of its own."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    """As `GET /api/v1/optimizers` lists it."""
    hyperparameters: dict[Annotated[str, Field(max_length=MAX_NAME)], Setting] = Field(
        default_factory=dict
    )
    """Those that differ from the defaults; learning rate and weight decay come from the study."""
    label: Label | None = None
    """Name in this study, for when one optimizer is there with several settings; its name by
    default."""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """A name alone will do."""
        whole = handler.resolve_ref_schema(handler(core))
        name = {"type": "string", "minLength": 1, "maxLength": MAX_NAME}
        return {"description": whole.pop("description"), "anyOf": [name, whole]}

    @property
    def shown_as(self) -> str:
        """Name in this study."""
        return self.label or self.name


class BudgetChoice(Request):
    """How long every trial trains. What is left out, the task decides."""

    epochs: Annotated[StrictInt, Field(ge=1, le=10_000)] | None = None
    batch_size: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    schedule: LearningRateSchedule = LearningRateSchedule.CONSTANT
    """How the learning rate moves: constant, cosine (to 0) or linear (to 0)."""

    @model_validator(mode="before")
    @classmethod
    def _numerics_stand_beside(cls, value: Any) -> Any:
        if isinstance(value, dict) and "numerics" in value:
            raise ValueError("numerics stand beside the budget, not in it: move them up")
        return value


class NumericsChoice(Request):
    """How numbers are computed: part of every trial's identity, since it changes rounding."""

    precision: Precision = Precision.FLOAT32
    """Of weights and optimizer state."""
    amp: StrictBool = False
    """Forward pass and loss in bfloat16 where that is safe."""
    channels_last: StrictBool = False
    """Images and convolution weights with the channels innermost in memory."""
    compile: StrictBool = False
    """Compile the training step, where the worker has a compiler."""
    cuda_graphs: StrictBool = False
    """Record steps once and replay them, on a GPU."""

    @model_validator(mode="after")
    def _amp_needs_float32(self) -> Self:
        if self.amp and self.precision is not Precision.FLOAT32:
            raise ValueError(f"amp goes with precision float32, not {self.precision}; drop one")
        return self


class LimitsChoice(Request):
    """When to stop a study that takes too long. What is left out is not limited."""

    running_seconds: Seconds | None = None
    """Time that it is running."""
    training_seconds: Seconds | None = None
    """Time that its trials train, all workers together."""


class StudyBase(Request):
    """What every study asks for, whatever its mode."""

    name: Name | None = None
    """For people; made from task and optimizers when left out."""
    task: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    """As `GET /api/v1/tasks` lists it."""
    optimizers: Annotated[tuple[OptimizerChoice, ...], Field(min_length=1, max_length=MAX_RATES)]
    """Names, or objects with `name`, `hyperparameters` and `label`."""
    seeds: Seeds = (0, 1, 2)
    """A number of seeds, or the seeds themselves."""
    budget: BudgetChoice = BudgetChoice()
    numerics: NumericsChoice = NumericsChoice()
    tags: Tags = ()
    """To find it by: lower case, digits and `._+-`."""
    note: Note = ""
    """For people."""
    priority: Priority = 0
    """Studies with a higher one are trained first."""
    limits: LimitsChoice = LimitsChoice()

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        distinct(tuple(choice.shown_as for choice in self.optimizers))
        return self


class StudyRequest(StudyBase):
    """A grid: every optimizer at every learning rate × weight decay, with every seed."""

    mode: Literal["grid"] = "grid"
    """How to choose what to train: every cell of a grid, or points of a search."""
    learning_rates: LearningRates
    """Of a grid, as are weight decays; a search has a space instead."""
    weight_decays: WeightDecays
    """0 is a weight decay like any other, and has a column of its own on the map."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_of_a_search(cls, value: Any) -> Any:
        return refuse_fields(value, SEARCH_ONLY, "a grid has no {}; add mode: search to search")


SEARCH_ONLY = (
    ("space",),
    ("asha",),
    ("sampler_seed",),
    ("budget", "points"),
    ("budget", "seconds"),
)
"""Fields that a grid does not have."""


def refuse_fields(value: Any, fields: Sequence[tuple[str, ...]], why: str) -> Any:
    """Refuse a request that holds fields of another mode, each with the way out.

    Args:
        value: The request, not yet validated.
        fields: Paths that it must not have.
        why: Message in which ``{}`` stands for the path.
    """
    found = [path for path in fields if _holds(value, path)]
    if found:
        raise refusal({path: why.format(".".join(path)) for path in found})
    return value


def refusal(messages: Mapping[tuple[str, ...], str]) -> ValidationError:
    """Make an error of our own words for some fields, by their paths."""
    return ValidationError.from_exception_data(
        "study",
        [
            {
                "type": PydanticCustomError("value_error", "{said}", {"said": said}),
                "loc": path,
                "input": None,
            }
            for path, said in messages.items()
        ],
    )


def _holds(value: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


class SearchProgress(Answer):
    """How far a search has come, over all its optimizers."""

    points: int
    """Points at most."""
    done: int
    """Trained for their whole budget."""
    pruned: int
    """Stopped early."""
    diverged: int
    """With every seed."""
    failed: int
    running: int
    seconds: float
    """Training so far."""
    seconds_at_most: float | None
    """Where the budget is in seconds."""
    ended: int
    """Points that nothing more will come of."""


class LimitsAnswer(Answer):
    """After how much a study is stopped; null for no limit."""

    running_seconds: float | None
    training_seconds: float | None


class UsedAnswer(Answer):
    """How much of that it has used so far."""

    running_seconds: float
    training_seconds: float


class StudyAnswer(Answer):
    """A study and how far it has come."""

    id: str
    mode: StudyMode
    name: str
    task: str
    optimizers: tuple[str, ...]
    """Labels."""
    learning_rates: tuple[float, ...]
    """Of a grid; none of a search."""
    weight_decays: tuple[float, ...]
    seeds: tuple[int, ...]
    epochs: int
    state: StudyState
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    trials: int
    """Of a search: those of points that needed no more training."""
    finished: int
    """Trials done or diverged."""
    diverged: int
    failed: int
    running: int
    reused: int
    """Trials whose result was known when the study was sent."""
    progress: float
    """Share of all epochs trained, in [0, 1]."""
    eta_seconds: float | None
    device: str | None
    imported_at: datetime | None
    """When it came here as an archive; null where it was sent here."""
    origin: str | None
    """Which archive, of which version of lpwd."""
    budget: Budget
    """Of every trial, with its numeric mode."""
    hyperparameters: dict[str, dict[str, Any]]
    """By label, those that differ from the catalogue's defaults; of a grid alone."""
    search: SearchProgress | None
    """Of a search alone."""
    owner: str | None
    """Name of the key it was sent with; null where none was needed."""
    tags: tuple[str, ...]
    note: str
    priority: int
    limits: LimitsAnswer
    used: UsedAnswer
    last_loss: str | None
    """Which runner fell silent while it had the study, and when."""


class StudyPlan(Answer):
    """What a study would cost."""

    trials: int
    """Of a search, at most."""
    known: int
    """Of these, how many have a result already; of a search that cannot be told before."""
    missing: int
    estimated_worker_seconds: float | None
    """Time one worker needs for what is missing, from this task's trials so far; null while there
    are none to go by, those of a single epoch not counted."""
    points: int | None
    """Of a search: points at most, of all optimizers."""
    epochs: int | None
    """Of a search: epochs at most, of all trials; the estimate reckons with early stopping."""
    spec: dict[str, Any]
    """The study with every default written out."""


class StudyCreated(StudyPlan):
    """What a study costs, and the study."""

    study: StudyAnswer


class StudyExtended(StudyPlan):
    """What an extension costs, and the study."""

    added: int
    """New trials; of a search, at most."""
    study: StudyAnswer


class StudyPageAnswer(Answer):
    """Some studies, in the order that was asked for."""

    items: tuple[StudyAnswer, ...]
    next_cursor: str | None
    """Hand it back as `cursor` for the next page; null on the last."""
