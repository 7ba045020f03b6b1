"""From a request to trials: pure, against the catalogues."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import prod
from typing import Any

import lpwd.catalogue as optimizers
from lpwd.errors import LpwdError
from service.errors import InvalidRequestError
from service.studies.order import coarse_to_fine
from service.studies.schemas import OptimizerChoice, StudyBase, StudyRequest
from workers import tasks
from workers.contracts import (
    Budget,
    LearningRateSchedule,
    NumericMode,
    Precision,
    TrialSpec,
    keys,
)
from workers.errors import DataMissingError, UnknownTaskError
from workers.tasks import Task


@dataclass(frozen=True)
class Variant:
    """An optimizer with its hyperparameters, under the label it has in the study."""

    label: str
    name: str
    version: int
    hyperparameters: Mapping[str, Any]
    """Complete."""

    @property
    def settings(self) -> tuple[str, str]:
        """What tells it from others among trials: name and hyperparameters, comparable."""
        return settings_of(self.name, self.hyperparameters)


def changed(optimizer: str, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of an optimizer's hyperparameters that differ from the catalogue's defaults.

    All of an optimizer that the catalogue no longer has.
    """
    try:
        defaults = optimizers.get(optimizer).resolve({})
    except LpwdError:
        defaults = {}
    return {
        name: value
        for name, value in hyperparameters.items()
        if name not in defaults or defaults[name] != value
    }


def settings_of(optimizer: str, hyperparameters: Mapping[str, Any]) -> tuple[str, str]:
    """Return an optimizer's name and hyperparameters in a form that can be compared."""
    return optimizer, json.dumps(dict(hyperparameters), sort_keys=True)


@dataclass(frozen=True)
class StudySpec:
    """A study in canonical form: checked, sorted, every default written out."""

    name: str
    task: str
    task_version: int
    variants: tuple[Variant, ...]
    learning_rates: tuple[float, ...]
    weight_decays: tuple[float, ...]
    seeds: tuple[int, ...]
    budget: Budget

    @property
    def trial_count(self) -> int:
        """Trials in the grid, without listing them."""
        axes = (self.variants, self.learning_rates, self.weight_decays, self.seeds)
        return prod(map(len, axes))

    def trials(self) -> list[TrialSpec]:
        """List every trial in the order to train them, so that the whole map shows early.

        Seed by seed; within a seed from coarse to fine, all optimizers abreast.
        """
        cells = coarse_to_fine(len(self.learning_rates), len(self.weight_decays))
        return [
            TrialSpec(
                task=self.task,
                task_version=self.task_version,
                optimizer=variant.name,
                optimizer_version=variant.version,
                learning_rate=self.learning_rates[row],
                weight_decay=self.weight_decays[column],
                seed=seed,
                budget=self.budget,
                hyperparameters=variant.hyperparameters,
            )
            for seed in self.seeds
            for row, column in cells
            for variant in self.variants
        ]

    @cached_property
    def keyed(self) -> dict[str, TrialSpec]:
        """Every trial by its key, in the order of `trials`. Hashing many takes a while."""
        trials = self.trials()
        return dict(zip(keys(trials), trials, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "StudySpec":
        """Undo `to_json`."""
        return cls(
            name=data["name"],
            task=data["task"],
            task_version=data["task_version"],
            variants=tuple(Variant(**variant) for variant in data["variants"]),
            learning_rates=tuple(data["learning_rates"]),
            weight_decays=tuple(data["weight_decays"]),
            seeds=tuple(data["seeds"]),
            budget=budget_from_json(data["budget"]),
        )


def budget_from_json(data: Mapping[str, Any]) -> Budget:
    """Read a budget as `StudySpec.to_json` writes it."""
    precision = Precision(data["numerics"]["precision"])
    return Budget(
        epochs=data["epochs"],
        batch_size=data["batch_size"],
        schedule=LearningRateSchedule(data["schedule"]),
        numerics=NumericMode(**{**data["numerics"], "precision": precision}),
    )


def resolve(request: StudyRequest, *, max_trials: int, require_data: bool = True) -> StudySpec:
    """Check a request against the catalogues and fill in what it leaves open.

    Args:
        request: What was sent.
        max_trials: Trials a study may hold.
        require_data: Whether the task's data has to be on this machine: yes, for what is going to
            be trained.

    Raises:
        InvalidRequestError: An unknown task, optimizer or hyperparameter, a hyperparameter out of
            range, the same optimizer and settings twice, too many trials, or data that is missing.
    """
    task = resolve_task(request, require_data=require_data)
    variants = resolve_variants(request.optimizers)
    _check_distinct(variants)
    spec = StudySpec(
        name=request.name or default_name(task.title, variants),
        task=task.name,
        task_version=task.version,
        variants=variants,
        learning_rates=request.learning_rates,
        weight_decays=request.weight_decays,
        seeds=request.seeds,
        budget=resolve_budget(request, task),
    )
    check_size(spec, max_trials)
    return spec


def check_size(spec: StudySpec, max_trials: int) -> None:
    """Make sure that a study is not too large. Raises `InvalidRequestError`."""
    if spec.trial_count > max_trials:
        raise InvalidRequestError(
            f"{len(spec.variants)} optimizers × {len(spec.learning_rates)} learning rates × "
            f"{len(spec.weight_decays)} weight decays × {len(spec.seeds)} seeds are "
            f"{spec.trial_count:,} trials; this installation takes {max_trials:,} a study "
            "(LPWD_MAX_TRIALS)",
            field="seeds",
        )


def resolve_task(request: StudyBase, *, require_data: bool = True) -> Task:
    """Return the task that a study names.

    Raises:
        InvalidRequestError: There is none of that name, or its data is not here and has to be.
    """
    try:
        task = tasks.get(request.task)
        if require_data:
            task.require_data()
    except (UnknownTaskError, DataMissingError) as error:
        raise InvalidRequestError(str(error), field="task") from error
    return task


def resolve_budget(request: StudyBase, task: Task) -> Budget:
    """Return a study's budget; what it leaves open, the task decides."""
    budget = request.budget
    return Budget(
        epochs=task.epochs if budget.epochs is None else budget.epochs,
        batch_size=task.batch_size if budget.batch_size is None else budget.batch_size,
        schedule=budget.schedule,
        numerics=NumericMode(**dict(request.numerics)),
    )


def resolve_variants(choices: Sequence[OptimizerChoice]) -> tuple[Variant, ...]:
    """Return a study's optimizers, every hyperparameter written out.

    Raises:
        InvalidRequestError: An unknown optimizer or hyperparameter, or a value out of range.
    """
    return tuple(_variant(choice, position) for position, choice in enumerate(choices))


def _variant(choice: OptimizerChoice, position: int) -> Variant:
    try:
        entry = optimizers.get(choice.name)
    except LpwdError as error:
        raise InvalidRequestError(str(error), field=f"optimizers.{position}.name") from error
    try:
        complete = entry.resolve(choice.hyperparameters)
    except LpwdError as error:
        raise InvalidRequestError(
            str(error), field=f"optimizers.{position}.hyperparameters"
        ) from error
    plain = json.loads(json.dumps(complete))
    return Variant(choice.shown_as, entry.name, entry.version, plain)


def _check_distinct(variants: tuple[Variant, ...]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for position, variant in enumerate(variants):
        if variant.settings in seen:
            raise InvalidRequestError(
                f"{variant.label!r} and {seen[variant.settings]!r} are the same optimizer with the "
                "same hyperparameters; drop one, or change a hyperparameter",
                field=f"optimizers.{position}",
            )
        seen[variant.settings] = variant.label


def default_name(title: str, variants: tuple[Variant, ...]) -> str:
    """Name a study that was given no name."""
    labels = ", ".join(variant.label for variant in variants)
    return f"{title}: {labels}"[:200]
