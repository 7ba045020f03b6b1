"""`/optimizers`, `/tasks` and `/datasets`."""

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

import lpwd.catalogue
from lpwd.errors import LpwdError
from service.catalogue.schemas import DataSetAnswer, OptimizerAnswer, TaskAnswer
from service.conditional import NOT_CHANGED, send_json
from service.errors import NotFoundError
from service.problems import PROBLEMS
from service.studies.schemas import BudgetChoice, NumericsChoice
from workers import data, tasks
from workers.errors import UnknownTaskError

router = APIRouter(tags=["catalogue"])

OPTIMIZERS = TypeAdapter(list[OptimizerAnswer])
TASKS = TypeAdapter(list[TaskAnswer])
NAMED = {**PROBLEMS, **NOT_CHANGED}


@router.get("/optimizers", response_model=list[OptimizerAnswer], responses=NOT_CHANGED)
def optimizers(request: Request) -> Response:
    """List the optimizers."""
    found = [_optimizer(entry) for entry in lpwd.catalogue.entries()]
    return send_json(request, OPTIMIZERS.dump_json(found), "optimizers.json")


@router.get("/optimizers/{name}", response_model=OptimizerAnswer, responses=NAMED)
def optimizer(request: Request, name: str) -> Response:
    """Return one optimizer."""
    try:
        found = _optimizer(lpwd.catalogue.get(name))
    except LpwdError as error:
        raise NotFoundError(str(error)) from error
    return send_json(request, found.model_dump_json().encode(), "optimizer.json")


@router.get("/tasks", response_model=list[TaskAnswer], responses=NOT_CHANGED)
def list_tasks(request: Request) -> Response:
    """List the tasks."""
    found = [_task(one) for one in tasks.tasks()]
    return send_json(request, TASKS.dump_json(found), "tasks.json")


@router.get("/tasks/{name}", response_model=TaskAnswer, responses=NAMED)
def task(request: Request, name: str) -> Response:
    """Return one task."""
    try:
        found = _task(tasks.get(name))
    except UnknownTaskError as error:
        raise NotFoundError(str(error)) from error
    return send_json(request, found.model_dump_json().encode(), "task.json")


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
            command=f"pip install {one.package}" if one.package else f"lpwd data fetch {one.name}",
        )
        for one in data.datasets()
    ]


def _task(task: tasks.Task) -> TaskAnswer:
    budget = BudgetChoice.model_json_schema()
    for name, default in (("epochs", task.epochs), ("batch_size", task.batch_size)):
        budget["properties"][name]["default"] = default
    shown = {name: getattr(task, name) for name in TaskAnswer.model_fields if hasattr(task, name)}
    return TaskAnswer.model_validate(
        shown | {"budget": budget, "numerics": NumericsChoice.model_json_schema()}
    )


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
        learning_rate_range=entry.learning_rate_range,
        weight_decay_range=entry.weight_decay_range,
        hyperparameters=entry.json_schema(),
    )
