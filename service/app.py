"""The application: routes, pages, errors. Imports neither torch nor Ray."""

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp
from threadpoolctl import threadpool_limits
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from dashboards.rendering import Renderer
from dashboards.views import mount_static, pages
from service import health, openapi, problems
from service.access import pages as access_pages
from service.access.keyring import Keyring
from service.access.middleware import AccessControl
from service.access.policy import policy_of
from service.access.rates import Rates
from service.answers import Answers
from service.archive import endpoints as archive
from service.catalogue import endpoints as catalogue
from service.comparison import across_endpoints as across
from service.comparison import endpoints as comparison
from service.comparison.queries import Comparisons
from service.db import Database
from service.events import endpoints as events
from service.events.watcher import Watcher
from service.head_requests import HeadRequests
from service.headers import SecurityHeaders
from service.heatmaps import endpoints as heatmaps
from service.heatmaps.queries import ResultsCache
from service.keys import endpoints as keys
from service.limits import BodyLimit, HeadLimit
from service.metrics import Metrics
from service.metrics import endpoints as metrics
from service.page_queries import PageQueries
from service.presets import endpoints as presets
from service.queue import endpoints as queue
from service.reports import endpoints as reports
from service.request_log import RequestLog
from service.runners import endpoints as runners
from service.schedules import endpoints as schedules
from service.search import endpoints as search
from service.search.reading import SearchReader
from service.settings import Settings, split_names
from service.strictness import (
    refuse_other_media_types,
    refuse_repeated_keys,
    refuse_unknown_parameters,
)
from service.studies import action_endpoints as study_actions
from service.studies import endpoints as studies
from service.trials import endpoints as trials
from service.webhooks import endpoints as webhooks

COMPRESSED = (
    *DEFAULT_EXCLUDED_CONTENT_TYPES,
    "application/pdf",
    "application/vnd.apache.parquet",
    "text/csv",
)
"""Types of answers that would not become smaller, or are sent compressed where that pays."""

WRITERS = 8
"""Requests that may wait to write to a SQLite file: half of the server's threads, so that others
still read while it is locked."""

RESOURCES = (
    queue,
    runners,
    studies,
    study_actions,
    trials,
    heatmaps,
    comparison,
    across,
    archive,
    reports,
    search,
    events,
    schedules,
    catalogue,
    presets,
    keys,
    webhooks,
)
"""Modules with a `router` under /api/v1. To add a resource, add its folder and name it here."""

STREAMED = frozenset({"/api/v1/studies/import"})
"""Routes that read their bodies bit by bit, within a limit of their own."""


class Service(FastAPI):
    """The application inside what logs every request, errors that nobody caught included."""

    def build_middleware_stack(self) -> ASGIApp:
        """Return all layers, the outermost first to be called."""
        settings: Settings = self.state.settings
        app: ASGIApp = SecurityHeaders(
            RequestLog(super().build_middleware_stack(), self.state.metrics.observe),
            https=settings.https,
        )
        # What anybody else says of who asks is not believed.
        proxies = split_names(settings.trusted_proxies)
        return _behind(app, proxies) if proxies else app


def _behind(app: ASGIApp, proxies: Sequence[str]) -> ASGIApp:
    """Take the sender's address from what these proxies say."""
    return ProxyHeadersMiddleware(app, list(proxies))  # type: ignore[arg-type,return-value]


def create_app(settings: Settings) -> FastAPI:
    """Build the application on the database that the settings name."""
    # Small products of matrices: more threads would but wait for one another, and for cores that
    # train.
    threadpool_limits(1, user_api="blas")
    app = Service(
        title="LPWD",
        summary="Hyperparameter robustness of optimizers: studies in, heatmaps out.",
        version=version("lpwd"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    _share(app, settings)
    _guard(app)
    problems.install(app)
    _route(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    app.state.allowed = lambda path: openapi.allowed(app.openapi(), path)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.watcher.close()
    app.state.keyring.close()
    app.state.renderer.close()
    app.state.database.close()


def _share(app: FastAPI, settings: Settings) -> None:
    """Make what endpoints share, for `service.app_state` to find."""
    database = Database(settings.url, writers=WRITERS)
    cache = ResultsCache()
    app.state.settings = settings
    app.state.stopping = threading.Event()
    """Set when the server is asked to end: streams then end, too."""
    app.state.database = database
    app.state.renderer = Renderer()
    app.state.results = cache
    app.state.comparisons = Comparisons.through(cache)
    app.state.answers = Answers(database)
    app.state.searches = SearchReader(database)
    app.state.metrics = Metrics(database)
    app.state.watcher = Watcher(database)
    app.state.keyring = Keyring(database)


def _guard(app: FastAPI) -> None:
    """Put the layers around the routes that every request passes; the last is the outermost."""
    settings: Settings = app.state.settings
    app.add_middleware(BodyLimit, most=settings.max_body_bytes, streamed=STREAMED)
    app.add_middleware(
        AccessControl,
        policy=policy_of(settings),
        keyring=app.state.keyring,
        database=app.state.database,
        rates=Rates(settings),
    )
    app.add_middleware(GZipMiddleware, compresslevel=5, exclude_content_types=COMPRESSED)
    app.add_middleware(HeadLimit)
    app.add_middleware(HeadRequests)


def _route(app: FastAPI) -> None:
    """Add all resources and pages."""
    strict = [
        Depends(refuse_unknown_parameters),
        Depends(refuse_other_media_types),  # first: what is not said to be JSON is not read
        Depends(refuse_repeated_keys),
    ]
    for resource in RESOURCES:
        app.include_router(resource.router, prefix="/api/v1", dependencies=strict)
    app.include_router(health.router)
    app.include_router(metrics.router)
    state = app.state
    queries = PageQueries(state.database, state.results, state.searches, state.comparisons)
    app.include_router(pages(queries, state.renderer))
    app.include_router(access_pages.router)
    mount_static(app)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Describe the API, once."""
    if app.openapi_schema is None:
        app.openapi_schema = openapi.document(app)
    return app.openapi_schema
