"""From a study back to the request that sends it again: pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from service.search.planning import SearchSpec
from service.search.schemas import ANY_STUDY, SearchRequest
from service.studies.model import Details
from service.studies.planning import StudySpec, changed
from service.studies.schemas import StudyRequest
from workers.contracts import Budget
from workers.search.contracts import Kind, Parameter, SearchedOptimizer

COPY = " (copy)"
LONGEST_NAME = 200


class NotARequestError(Exception):
    """Changes do not make a request of a study's.

    Args:
        cause: What is wrong with which field.
    """

    def __init__(self, cause: ValidationError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def request_of(spec: StudySpec | SearchSpec, details: Details) -> dict[str, Any]:
    """Return the body for `POST /api/v1/studies` that sends a study again.

    Hyperparameters that equal the catalogue's defaults are left out.

    Args:
        spec: What it trains.
        details: What is said about it; its owner is not part of a request.
    """
    body = _search(spec) if isinstance(spec, SearchSpec) else _grid(spec)
    said = {
        "tags": list(details.tags),
        "note": details.note,
        "priority": details.priority,
        "limits": _given(vars(details.limits)),
    }
    return body | {name: value for name, value in said.items() if value}


def changed_request(
    body: Mapping[str, Any], changes: Mapping[str, Any]
) -> StudyRequest | SearchRequest:
    """Return a study's request with changes, under a name that says so.

    Args:
        body: As `request_of` returns it.
        changes: A JSON Merge Patch (RFC 7396): objects are merged, null removes, all else replaces.

    Raises:
        NotARequestError: The result is no request.
    """
    copied = str(body["name"])[: LONGEST_NAME - len(COPY)] + COPY
    try:
        return ANY_STUDY.validate_python(_merged({**body, "name": copied}, changes))
    except ValidationError as error:
        raise NotARequestError(error) from error


def _merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Merge; goes no deeper than `target`, however deep the patch is."""
    found = dict(target)
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, dict) and isinstance(found.get(name), dict):
            found[name] = _merged(found[name], value)
        else:
            found[name] = value
    return found


def _grid(spec: StudySpec) -> dict[str, Any]:
    return {
        "mode": "grid",
        "name": spec.name,
        "task": spec.task,
        "optimizers": [
            _choice(one.label, one.name, changed(one.name, one.hyperparameters))
            for one in spec.variants
        ],
        "learning_rates": list(spec.learning_rates),
        "weight_decays": list(spec.weight_decays),
        "seeds": list(spec.seeds),
        **_budget(spec.budget),
    }


def _search(spec: SearchSpec) -> dict[str, Any]:
    search = spec.search
    budget = _budget(search.budget)
    budget["budget"] |= {"points": search.points, **_given({"seconds": search.seconds})}
    return {
        "mode": "search",
        "name": spec.name,
        "task": search.task,
        "optimizers": [_choice(one.label, one.name, _fixed(one)) for one in search.optimizers],
        "seeds": list(search.seeds),
        "space": {
            "optimizers": {
                one.label: {p.name: _dimension(p) for p in one.space} for one in search.optimizers
            }
        },
        "asha": vars(search.halving).copy() if search.halving else False,
        "sampler_seed": search.sampler_seed,
        **budget,
    }


def _choice(label: str, name: str, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name}
    if hyperparameters:
        found["hyperparameters"] = dict(hyperparameters)
    if label != name:
        found["label"] = label
    return found


def _fixed(optimizer: SearchedOptimizer) -> dict[str, Any]:
    searched = {parameter.name for parameter in optimizer.space}
    settings = changed(optimizer.name, optimizer.hyperparameters)
    return {name: value for name, value in settings.items() if name not in searched}


def _dimension(parameter: Parameter) -> Any:
    if parameter.kind is Kind.CHOICE:
        return list(parameter.choices)
    zero = {"zero": True} if parameter.zero else {}
    return {"low": parameter.low, "high": parameter.high, "log": parameter.log, **zero}


def _budget(budget: Budget) -> dict[str, Any]:
    return {
        "budget": {
            "epochs": budget.epochs,
            "batch_size": budget.batch_size,
            "schedule": str(budget.schedule),
        },
        "numerics": {**vars(budget.numerics), "precision": str(budget.numerics.precision)},
    }


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
