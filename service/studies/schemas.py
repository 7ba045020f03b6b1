"""What a client sends: studies in JSON."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, StrictBool, StrictInt, model_validator
from pydantic_core.core_schema import CoreSchema

from service.bodies import Request, distinct, refuse_fields
from service.studies.fields import (
    MAX_NAME,
    MAX_RATES,
    Label,
    LearningRates,
    Name,
    Note,
    Priority,
    Seconds,
    Seeds,
    Setting,
    Tags,
    WeightDecays,
)
from workers.contracts import LearningRateSchedule, Precision


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
