"""From a request to a search: pure, against the catalogues."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import lpwd.catalogue
from lpwd.errors import LpwdError
from service.errors import InvalidRequestError
from service.search.schemas import MAX_POINTS, SearchRequest
from service.search.space import resolve_space
from service.studies.planning import (
    StudySpec,
    Variant,
    budget_from_json,
    default_name,
    resolve,
    resolve_budget,
    resolve_task,
    resolve_variants,
)
from service.studies.schemas import StudyRequest
from workers import tasks
from workers.contracts import ENGINE_VERSION
from workers.errors import WorkersError
from workers.search.contracts import Halving, Kind, Parameter, Search, SearchedOptimizer

MODE = "search"
DEFAULT_POINTS = 50
"""Points an optimizer is given where a request says nothing of them, nor of seconds."""
HALVINGS = 2
"""Decisions on a point, by default: after 1/9 and 1/3 of the epochs, with a factor of 3."""


@dataclass(frozen=True)
class SearchSpec:
    """A search in canonical form: checked, every default written out."""

    name: str
    search: Search

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the optimizers in the study."""
        return tuple(optimizer.label for optimizer in self.search.optimizers)

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.search.task

    @property
    def points(self) -> int:
        """Points at most, of all optimizers."""
        return self.search.points * len(self.search.optimizers)

    @property
    def trial_count(self) -> int:
        """Trials at most."""
        return self.points * len(self.search.seeds)

    @property
    def epochs_at_most(self) -> int:
        """Epochs of all its trials, if no point is stopped early."""
        return self.trial_count * self.search.budget.epochs

    @property
    def epochs_expected(self) -> float:
        """Epochs of all its trials, as successive halving goes if each decision halves as it says.

        A point trains the grace period, of which one in `reduction_factor` goes on to the next
        decision, and so on. The first points come further: they are compared with few.
        """
        halving, whole = self.search.halving, self.search.budget.epochs
        if halving is None:
            return float(self.epochs_at_most)
        share, before, rung, each = 1.0, 0.0, float(halving.grace_epochs), 0.0
        while rung < whole:
            each += share * (rung - before)
            share /= halving.reduction_factor
            before, rung = rung, rung * halving.reduction_factor
        return self.trial_count * (each + share * (whole - before))

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self.search)))
        return {"mode": MODE, "name": self.name, **plain}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SearchSpec":
        """Undo `to_json`."""
        rest = {field: value for field, value in data.items() if field not in ("mode", "name")}
        halving = rest.pop("halving")
        return cls(
            name=data["name"],
            search=Search(
                **{
                    **rest,
                    "optimizers": tuple(map(_optimizer_from_json, data["optimizers"])),
                    "seeds": tuple(data["seeds"]),
                    "budget": budget_from_json(data["budget"]),
                    "halving": Halving(**halving) if halving else None,
                }
            ),
        )


def _optimizer_from_json(data: Mapping[str, Any]) -> SearchedOptimizer:
    space = tuple(
        Parameter(**{**one, "kind": Kind(one["kind"]), "choices": tuple(one["choices"])})
        for one in data["space"]
    )
    return SearchedOptimizer(**{**data, "space": space})


def resolve_any(
    request: StudyRequest | SearchRequest, *, max_trials: int, require_data: bool = True
) -> StudySpec | SearchSpec:
    """Check a study of either mode, as `resolve` and `resolve_search` do."""
    if isinstance(request, SearchRequest):
        return resolve_search(request, max_trials=max_trials, require_data=require_data)
    return resolve(request, max_trials=max_trials, require_data=require_data)


def resolve_search(
    request: SearchRequest, *, max_trials: int, require_data: bool = True
) -> SearchSpec:
    """Check a request against the catalogues and fill in what it leaves open.

    Args:
        request: What was sent.
        max_trials: Trials a study may hold.
        require_data: Whether the task's data has to be on this machine: yes, for what is going to
            be trained.

    Raises:
        InvalidRequestError: An unknown task, optimizer or hyperparameter, a value out of range, a
            hyperparameter both fixed and searched, more trials than may be, or data that is
            missing.
    """
    task = resolve_task(request, require_data=require_data)
    variants = resolve_variants(request.optimizers)
    budget = resolve_budget(request, task)
    _check_labels(request, variants)
    limit = max_trials // (len(variants) * len(request.seeds))
    return SearchSpec(
        name=request.name or f"Search: {default_name(task.title, variants)}"[:200],
        search=Search(
            task=task.name,
            task_version=task.version,
            optimizers=_optimizers(request, variants),
            seeds=request.seeds,
            budget=budget,
            points=_points(request, limit, max_trials),
            seconds=request.budget.seconds,
            halving=_halving(request, budget.epochs),
            sampler_seed=request.sampler_seed,
        ),
    )


def _points(request: SearchRequest, limit: int, max_trials: int) -> int:
    points = request.budget.points
    if points is None:
        points = DEFAULT_POINTS if request.budget.seconds is None else min(limit, MAX_POINTS)
    if points > limit or points < 1:
        count = len(request.optimizers)
        raise InvalidRequestError(
            f"{count} optimizers × {points:,} points × {len(request.seeds)} seeds are "
            f"{count * points * len(request.seeds):,} trials; this installation takes "
            f"{max_trials:,} a study (LPWD_MAX_TRIALS)",
            field="budget.points",
        )
    return points


def _halving(request: SearchRequest, epochs: int) -> Halving | None:
    if request.asha is False:
        return None
    factor = request.asha.reduction_factor
    grace = request.asha.grace_epochs
    if grace is None:
        grace = max(1, round(epochs / factor**HALVINGS))
    elif grace > epochs:
        raise InvalidRequestError(
            f"grace_epochs {grace} are more than the {epochs} epochs of a point; for no early "
            "stopping set asha to false",
            field="asha.grace_epochs",
        )
    return Halving(grace, factor)


def _check_labels(request: SearchRequest, variants: tuple[Variant, ...]) -> None:
    labels = [variant.label for variant in variants]
    for label in request.space.optimizers:
        if label not in labels:
            raise InvalidRequestError(
                f"space.optimizers has {label!r}, which is none of the study's optimizers: "
                f"{', '.join(labels)}",
                field=f"space.optimizers.{label}",
            )


def _optimizers(
    request: SearchRequest, variants: tuple[Variant, ...]
) -> tuple[SearchedOptimizer, ...]:
    found: list[SearchedOptimizer] = []
    for position, variant in enumerate(variants):
        one = SearchedOptimizer(
            label=variant.label,
            name=variant.name,
            version=variant.version,
            hyperparameters=variant.hyperparameters,
            space=resolve_space(request, position),
        )
        for other in found:
            if replace(other, label=one.label) == one:
                raise InvalidRequestError(
                    f"{one.label!r} and {other.label!r} are the same optimizer, searched in the "
                    "same space; drop one, or change a hyperparameter or a range",
                    field=f"optimizers.{position}",
                )
        found.append(one)
    return tuple(found)


def impossible(spec: SearchSpec) -> str | None:
    """Tell why the present code cannot train what a search asks for; None where it can."""
    search = spec.search
    try:
        same = (
            search.engine_version == ENGINE_VERSION
            and search.task_version == tasks.get(search.task).version
            and all(
                one.version == lpwd.catalogue.get(one.name).version for one in search.optimizers
            )
        )
    except (LpwdError, WorkersError) as error:
        return str(error)
    return None if same else OUTDATED


OUTDATED = (
    "the task, an optimizer or the engine has changed since this search was sent; "
    "send it again to search with the present code"
)
