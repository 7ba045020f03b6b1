"""`/optimizers`, `/tasks` and `/datasets`."""

from typing import Any

from fastapi import APIRouter

import lpwd.catalogue
from lpwd.errors import LpwdError
from service.errors import NotFoundError
from service.problems import PROBLEMS
from service.studies.schemas import Answer
from workers import data, tasks
from workers.errors import UnknownTaskError

router = APIRouter(tags=["catalogue"])


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
    """Whether it is on the service's machine; `lpwd data fetch NAME` there brings it."""


@router.get("/optimizers")
def optimizers() -> list[OptimizerAnswer]:
    """List the optimizers."""
    return [_optimizer(entry) for entry in lpwd.catalogue.entries()]


@router.get("/optimizers/{name}", responses=PROBLEMS)
def optimizer(name: str) -> OptimizerAnswer:
    """Return one optimizer."""
    try:
        return _optimizer(lpwd.catalogue.get(name))
    except LpwdError as error:
        raise NotFoundError(str(error)) from error


@router.get("/tasks")
def list_tasks() -> list[TaskAnswer]:
    """List the tasks."""
    return [TaskAnswer.model_validate(task) for task in tasks.tasks()]


@router.get("/tasks/{name}", responses=PROBLEMS)
def task(name: str) -> TaskAnswer:
    """Return one task."""
    try:
        return TaskAnswer.model_validate(tasks.get(name))
    except UnknownTaskError as error:
        raise NotFoundError(str(error)) from error


@router.get("/datasets")
def list_datasets() -> list[DataSetAnswer]:
    """List the data sets, and whether they are here."""
    folder = data.folder()
    return [
        DataSetAnswer(
            name=one.name,
            title=one.title,
            licence=one.licence,
            source=one.source,
            download_bytes=one.download_bytes,
            package=one.package,
            here=one.here(folder),
        )
        for one in data.datasets()
    ]


def _optimizer(entry: lpwd.catalogue.OptimizerEntry) -> OptimizerAnswer:
    return OptimizerAnswer(
        name=entry.name,
        title=entry.title,
        summary=entry.summary,
        source=entry.source,
        version=entry.version,
        base=entry.base,
        rule=entry.rule,
        role=entry.role,
        default_learning_rate=entry.default_learning_rate,
        default_weight_decay=entry.default_weight_decay,
        hyperparameters=entry.json_schema(),
    )
