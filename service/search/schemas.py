"""What a client sends for a search."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from service.bodies import Request, distinct, refusal, refuse_fields
from service.studies.fields import MAX_NAME, Label, Setting
from service.studies.schemas import BudgetChoice, StudyBase, StudyRequest

MAX_POINTS = 10_000
MAX_CHOICES = 100
MAX_SECONDS = 30 * 86_400.0
GRID_ONLY = (("learning_rates",), ("weight_decays",))
"""Fields that a search does not have."""


class Range(Request):
    """Values between two ends, both of which belong to it."""

    low: Annotated[StrictFloat, Field(ge=-1e300, le=1e300, allow_inf_nan=False)]
    high: Annotated[StrictFloat, Field(ge=-1e300, le=1e300, allow_inf_nan=False)]
    log: StrictBool | None = None
    """Whether to draw on a log scale. The two rates are by default, other settings are not."""
    zero: StrictBool = False
    """Of `weight_decay` alone: whether to try 0, no decay at all, as well."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if not self.low < self.high:
            raise ValueError(
                f"low {self.low:g} is not below high {self.high:g}; to hold a hyperparameter "
                "fixed, give it with the optimizer"
            )
        if self.log and self.low <= 0:
            raise ValueError(
                f"low {self.low:g} is on no log scale; start above 0, or set log to false"
            )
        return self


Choices = Annotated[
    tuple[Setting, ...],
    Field(min_length=2, max_length=MAX_CHOICES),
    AfterValidator(distinct),
]
_CHOICES: TypeAdapter[tuple[Any, ...]] = TypeAdapter(Choices)


def _range_or_choices(value: Any, _: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(value, dict | Range):
        return Range.model_validate(value)
    if isinstance(value, list | tuple):
        return _CHOICES.validate_python(value)
    raise ValueError(
        "a range with low and high, or a list of choices is wanted; to hold a hyperparameter "
        "fixed, give it with the optimizer"
    )


Dimension = Annotated[Range | Choices, WrapValidator(_range_or_choices)]
"""Decided by the form alone, so that errors speak of the one that was meant."""
HyperparameterName = Annotated[str, Field(max_length=MAX_NAME)]


class Space(Request):
    """Where to look. What is left out comes from the catalogue, for each optimizer its own."""

    learning_rate: Dimension | None = None
    """Of all optimizers; by default each one's `learning_rate_range` of the catalogue."""
    weight_decay: Dimension | None = None
    """Likewise, by default `weight_decay_range`."""
    optimizers: dict[Label, dict[HyperparameterName, Dimension]] = Field(default_factory=dict)
    """By label: further hyperparameters to search, or ranges of the two rates for this optimizer
    alone."""


class SearchBudget(BudgetChoice):
    """How long a point trains, and how long to search: the same for every optimizer."""

    points: Annotated[StrictInt, Field(ge=1, le=MAX_POINTS)] | None = None
    """Points an optimizer is given, at most; 50 where neither points nor seconds are given."""
    seconds: Annotated[StrictFloat, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)] | None = None
    """Seconds of training after which an optimizer is given no further point."""


class HalvingChoice(Request):
    """When points that do badly are stopped early (ASHA, arXiv 1810.05934)."""

    grace_epochs: Annotated[StrictInt, Field(ge=1, le=10_000)] | None = None
    """Epochs that every point trains; by default a share of the budget, so that there are two
    decisions."""
    reduction_factor: Annotated[StrictFloat, Field(ge=1.1, le=100, allow_inf_nan=False)] = 3.0
    """One of so many points goes on at each decision, to so many times the epochs."""


def _halving_or_off(value: Any, _: ValidatorFunctionWrapHandler) -> Any:
    return False if value is False else HalvingChoice.model_validate(value)


class SearchRequest(StudyBase):
    """A search: Optuna proposes points; every optimizer is searched alone, with the same budget."""

    mode: Literal["search"]
    space: Space = Space()
    budget: SearchBudget = SearchBudget()
    asha: Annotated[HalvingChoice | Literal[False], WrapValidator(_halving_or_off)] = (
        HalvingChoice()
    )
    """Settings, or false to train every point for its whole budget."""
    sampler_seed: Annotated[StrictInt, Field(ge=0, lt=2**31)] = 0
    """Seed of the proposals."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_of_a_grid(cls, value: Any) -> Any:
        return refuse_fields(
            value,
            GRID_ONLY,
            "a search has no {}: it proposes them. Give ranges in space, or leave out mode for a "
            "grid",
        )


def _by_mode(value: Any, _: ValidatorFunctionWrapHandler) -> StudyRequest | SearchRequest:
    if isinstance(value, StudyRequest | SearchRequest):
        return value
    mode = value.get("mode", "grid") if isinstance(value, dict) else "grid"
    if mode == "search":
        return SearchRequest.model_validate(value)
    if mode != "grid":
        raise refusal({("mode",): f"mode {str(mode)[:MAX_NAME]!r} is none; choose grid or search"})
    return StudyRequest.model_validate(value)


AnyStudyRequest = Annotated[StudyRequest | SearchRequest, WrapValidator(_by_mode)]
"""A study of either mode: the mode decides, so that errors speak of the one that was meant."""
ANY_STUDY: TypeAdapter[StudyRequest | SearchRequest] = TypeAdapter(AnyStudyRequest)
