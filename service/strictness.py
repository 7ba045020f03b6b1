"""Refuses what a route does not know: a misspelt `dry_run` must not send a study."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service.errors import InvalidRequestError, UnsupportedMediaTypeError
from service.wording import shown


async def refuse_unknown_parameters(request: Request) -> None:
    """Dependency of the API's routes: every query parameter must be one of the route's.

    Raises:
        InvalidRequestError: One is not, or takes one value and is given several.
    """
    route = request.scope["route"]
    known = dict(_parameters(route.dependant)) if isinstance(route, APIRoute) else {}
    given = Counter(name for name, _ in request.query_params.multi_items())
    for name, count in given.items():
        if name not in known:
            there_are = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise InvalidRequestError(
                f"this route has no parameter {name[:80]!r}; {there_are}", field=name[:80]
            )
        if count > 1 and not known[name]:
            raise InvalidRequestError(
                f"{name} is given {count} times; it takes one value", field=name
            )


async def refuse_repeated_keys(request: Request) -> None:
    """Dependency of the API's routes: no object of a body may name a key twice.

    JSON leaves open which of the two counts, and who sends both means one of them. FastAPI has
    read the body by now, and refused what is no JSON.

    Raises:
        InvalidRequestError: One does.
    """
    route = request.scope["route"]
    if not isinstance(route, APIRoute) or route.body_field is None:
        return
    if body := await request.body():
        json.loads(body, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise InvalidRequestError(
            f"{shown(twice)} stands twice in one object: name every key once", field=twice[:80]
        )


async def refuse_other_media_types(request: Request) -> None:
    """Dependency of the API's routes: a body must be said to be JSON.

    Raises:
        UnsupportedMediaTypeError: It is said to be something else, or nothing.
    """
    route = request.scope["route"]
    if not isinstance(route, APIRoute) or route.body_field is None:
        return
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not re.fullmatch(r"application/[\w.-]+\+json", kind):
        raise UnsupportedMediaTypeError(
            f"the body is said to be {kind[:80]!r}: send JSON, with Content-Type: application/json"
        )


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Yield the query parameters of a route and of all it depends on, and which take several."""
    for field in dependant.query_params:
        yield field.alias, _takes_several(field.field_info.annotation)
    for needed in dependant.dependencies:
        yield from _parameters(needed)


def _takes_several(annotation: Any) -> bool:
    """Whether a parameter is a list, or a list or None."""
    kinds = (annotation, *get_args(annotation))
    return any(get_origin(kind) in (list, tuple, set, frozenset) for kind in kinds)
