"""The OpenAPI document: what every route shares is said here, once.

A route declares the statuses that are its own with `service.problems.problems`; those that follow
from its form (a body, a part of the path that names something) or that any request may meet are
added here, so that each operation names exactly what it may answer.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.access.rules import READING, rule_of
from service.problems import (
    OF_ACCESS,
    OF_BODIES,
    OF_CHANGES,
    OF_HEADS,
    OF_NAMES,
    OF_PARAMETERS,
    PROBLEMS,
    Problem,
    problems,
)

API = "/api/v1"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

TAGS = {
    "studies": "What to train: a task, optimizers, rates, seeds and a budget.",
    "trials": "Single training runs, shared by all studies that ask for them.",
    "heatmaps": "What came of a grid: maps, robustness, files.",
    "searches": "What came of a search: points, importance, an Optuna storage.",
    "events": "What changes, as it changes.",
    "schedules": "Studies that are sent again and again, by the clock.",
    "catalogue": "What there is to choose from: optimizers, tasks and data sets.",
    "presets": "Studies that are ready to be sent.",
    "comparison": "Optimizers against a reference; several studies, side by side.",
    "reports": "What it takes to check, to repeat or to write about a study.",
    "archive": "Studies as files, for another installation.",
    "keys": "Who may do what.",
    "webhooks": "Addresses that are told of what happens.",
    "queue": "What waits, what trains, and where.",
    "health": "Whether the service works.",
}
"""Meaning of each; one that is not here is listed without."""
BEARER = "key"
SECURITY = {
    BEARER: {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key. Not needed where the installation is open; see the "
        "administration guide.",
    }
}
_SINGULAR = {
    "studies": "study",
    "trials": "trial",
    "searches": "search",
    "schedules": "schedule",
    "presets": "preset",
    "keys": "key",
    "webhooks": "webhook",
}

_NAMED = {
    "of_study": "list_trials",
    "points_search": "list_points",
    "point_search": "read_point",
    "search": "read_search",
    "firings_schedule": "list_firings",
    "trend_schedule": "read_trend",
    "optimizers": "list_optimizers",
    "optimizer": "read_optimizer",
    "task": "read_task",
    "preset": "read_preset",
    "queue": "read_queue",
    "runners": "list_runners",
    "devices": "list_devices",
    "me_key": "who_am_i",
    "deliveries_webhook": "list_deliveries",
    "redeliver_webhook": "redeliver",
    "archive": "export_study",
    "events": "watch_study",
}
"""Where a function's name, and the resource's, do not say it well."""


def document(app: FastAPI) -> dict[str, Any]:
    """Describe the API, problem details included."""
    found = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes
    )
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = found["components"]["schemas"]
    schemas |= schema.pop("$defs") | {"Problem": schema}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    found["components"]["securitySchemes"] = SECURITY
    for path, method, operation in _operations(found):
        _complete(path, method, operation)
    used = {tag for _, _, operation in _operations(found) for tag in operation.get("tags", ())}
    found["tags"] = [
        {"name": name, "description": text} for name, text in TAGS.items() if name in used
    ]
    return found


def allowed(document: Mapping[str, Any], path: str) -> list[str]:
    """Return the methods that an address of the API takes, in capitals."""
    paths = document["paths"]
    # An address of its own comes before one with a name in it: /studies/import is no study.
    templates = [path] if path in paths else [one for one in paths if _is_of(path, one)]
    found = {method.upper() for template in templates for method in paths[template]}
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


def _is_of(path: str, template: str) -> bool:
    pattern = re.sub(r"\\\{[^/]*?\\\}", "[^/]+", re.escape(template))
    return re.fullmatch(pattern, path) is not None


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield path, method, operation


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Give an operation its name, what it needs, and what it may answer besides its own."""
    operation["operationId"] = _name(operation["operationId"], path, method, operation)
    # What routers say of all their routes is said below of those that it holds for.
    own = {
        status: answer
        for status, answer in operation["responses"].items()
        if answer != PROBLEMS.get(int(status))
    }
    keyed = rule_of(path).role(reads=method.upper() in READING) is not None
    answers = problems(*OF_HEADS, *(OF_ACCESS if keyed else ()), *_of_form(path, method, operation))
    operation["responses"] = _sorted(
        {str(status): answer for status, answer in answers.items()} | own
    )
    if keyed:
        operation["security"] = [{}, {BEARER: []}]


def _of_form(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[HTTPStatus]:
    """Yield the errors that an operation of this form may answer."""
    if path.startswith(f"{API}/"):
        yield from OF_PARAMETERS
    if "requestBody" in operation:
        yield from OF_BODIES
    if method != "get":
        yield from OF_CHANGES
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        yield from OF_NAMES


def _sorted(responses: Mapping[str, Any]) -> dict[str, Any]:
    return {status: responses[status] for status in sorted(responses)}


def _name(given: str, path: str, method: str, operation: Mapping[str, Any]) -> str:
    """Return what a generated client calls an operation: ``create_study``, ``list_studies``."""
    suffix = re.sub(r"\W", "_", path) + f"_{method}"
    short = given.removesuffix(suffix)
    tags: Sequence[str] = operation.get("tags", ())
    singular = _SINGULAR.get(tags[0]) if tags else None
    whole = f"{short}_{singular}" if singular and "_" not in short and short != singular else short
    return _NAMED.get(whole, whole)
