"""Refuses what a route does not know: a misspelt `dry_run` must not send a study."""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service.errors import InvalidRequestError


async def refuse_unknown_parameters(request: Request) -> None:
    """Dependency of the API's routes: every query parameter must be one of the route's.

    Raises:
        InvalidRequestError: One is not.
    """
    route = request.scope["route"]
    known = set(_names(route.dependant)) if isinstance(route, APIRoute) else set()
    for name in request.query_params:
        if name not in known:
            there_are = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise InvalidRequestError(
                f"this route has no parameter {name[:80]!r}; {there_are}", field=name[:80]
            )


def _names(dependant: Dependant) -> Iterator[str]:
    """Yield the query parameters of a route and of all it depends on."""
    yield from (field.alias for field in dependant.query_params)
    for needed in dependant.dependencies:
        yield from _names(needed)
