"""The catalogue in JSON, and the studies that ship."""

from typing import Any

from service.bodies import Answer
from service.search.model import StudyMode


class OptimizerAnswer(Answer):
    """An optimizer that studies can name."""

    name: str
    title: str
    summary: str
    source: str
    """Paper or project it comes from."""
    version: int
    base: str
    """Base update."""
    rule: str
    """Decay rule."""
    role: str
    """``method``, ``baseline``, ``control`` or ``external``."""
    default_learning_rate: float
    default_weight_decay: float
    learning_rate_range: tuple[float, ...]
    """Low and high: where a search looks by default."""
    weight_decay_range: tuple[float, ...]
    """Likewise."""
    hyperparameters: dict[str, Any]
    """JSON Schema of the hyperparameters besides learning rate and weight decay."""


class MetricAnswer(Answer):
    """The score of a task."""

    name: str
    maximize: bool
    chance: float
    percent: bool


class TaskAnswer(Answer):
    """A task that studies can name."""

    name: str
    title: str
    summary: str
    version: int
    metric: MetricAnswer
    epochs: int
    """Default budget."""
    batch_size: int
    """Default batch size."""
    examples: tuple[int, int, int]
    """Train, validation and test."""
    licence: str
    source: str
    augmentation: str
    """What happens to training batches."""
    datasets: tuple[str, ...]
    """What it needs, as `GET /api/v1/datasets` names it."""
    download_bytes: int
    """What fetching all of these moves."""
    here: bool
    """Whether all of these are on the service's machine."""
    budget: dict[str, Any]
    """JSON Schema of how its trials may train, with this task's defaults."""
    numerics: dict[str, Any]
    """JSON Schema of how its numbers may be computed."""


class DataSetAnswer(Answer):
    """A data set that tasks need."""

    name: str
    title: str
    licence: str
    source: str
    """Where to read about it."""
    download_bytes: int
    """What fetching it moves; 0 for what comes with an installed package."""
    package: str
    """That package; empty for what is fetched."""
    here: bool
    """Whether it is on the service's machine."""
    command: str
    """What brings it there, in a shell."""


class PresetAnswer(Answer):
    """A study that is ready to be sent."""

    name: str
    title: str
    description: str
    mode: StudyMode
    trials: int
    """In all; of a search, at most."""
    datasets: tuple[str, ...]
    """Data sets that it needs; `lpwd data fetch NAME` brings one."""
    data_here: bool
    """Whether they are where the service runs."""
    study: dict[str, Any]
    """The body to send to `POST /api/v1/studies`."""
