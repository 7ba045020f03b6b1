"""A trial as JSON that says all there is to train it again, and back. No torch."""

import json
import shlex
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StrictInt, ValidationError

import lpwd.catalogue
from lpwd.errors import LpwdError
from service.bodies import Request
from service.db.tables.studies import TrialRow
from service.errors import InvalidRequestError
from service.studies.fields import MAX_NAME, LearningRate, Seed, Setting, WeightDecay
from service.studies.schemas import NumericsChoice
from workers import tasks
from workers.contracts import ENGINE_VERSION, Budget, LearningRateSchedule, NumericMode, TrialSpec
from workers.errors import WorkersError

Version = Annotated[StrictInt, Field(ge=1)]


class TrialBody(Request):
    """A training run, fully determined."""

    task: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    task_version: Version
    optimizer: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    optimizer_version: Version
    hyperparameters: dict[Annotated[str, Field(max_length=MAX_NAME)], Setting]
    """Complete."""
    learning_rate: LearningRate
    weight_decay: WeightDecay
    seed: Seed
    epochs: Annotated[StrictInt, Field(ge=1, le=10_000)]
    batch_size: Annotated[StrictInt, Field(ge=1, le=1_000_000)]
    schedule: LearningRateSchedule
    numerics: NumericsChoice
    engine_version: Version


def command(trial: TrialRow) -> str:
    """Return what trains a trial again in a shell, on a machine with its data."""
    plain = {name: getattr(trial, name) for name in TrialBody.model_fields}
    return f"lpwd trial run {shlex.quote(json.dumps(plain, separators=(',', ':')))}"


def parse(text: str) -> TrialSpec:
    """Read a trial from the JSON in its `command`.

    Raises:
        InvalidRequestError: It is no trial, or one that the present code would train otherwise.
    """
    try:
        body = TrialBody.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise InvalidRequestError(f"this is no trial: {field}: {first['msg']}") from error
    _check_versions(body)
    return TrialSpec(
        task=body.task,
        task_version=body.task_version,
        optimizer=body.optimizer,
        optimizer_version=body.optimizer_version,
        learning_rate=body.learning_rate,
        weight_decay=body.weight_decay,
        seed=body.seed,
        budget=Budget(
            epochs=body.epochs,
            batch_size=body.batch_size,
            schedule=body.schedule,
            numerics=NumericMode(**dict(body.numerics)),
        ),
        hyperparameters=_own(body),
        engine_version=body.engine_version,
    )


def _own(body: TrialBody) -> Mapping[str, Any]:
    try:
        return lpwd.catalogue.get(body.optimizer).resolve(body.hyperparameters)
    except LpwdError as error:
        raise InvalidRequestError(str(error), field="hyperparameters") from error


def _check_versions(body: TrialBody) -> None:
    """Refuse to train what would give other numbers."""
    try:
        task = tasks.get(body.task)
        task.require_data()
    except WorkersError as error:
        raise InvalidRequestError(str(error), field="task") from error
    try:
        optimizer = lpwd.catalogue.get(body.optimizer)
    except LpwdError as error:
        raise InvalidRequestError(str(error), field="optimizer") from error
    for name, wanted, here in (
        ("engine", body.engine_version, ENGINE_VERSION),
        (f"task {body.task}", body.task_version, task.version),
        (f"optimizer {body.optimizer}", body.optimizer_version, optimizer.version),
    ):
        if wanted != here:
            raise InvalidRequestError(
                f"it was trained with version {wanted} of {name}, and here is version {here}, "
                "which gives other numbers: install the lpwd of that time"
            )
