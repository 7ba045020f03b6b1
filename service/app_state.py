"""What endpoints share: the application's database, settings and caches, as dependencies.

They are coroutines, which cost nothing; FastAPI would call functions in a thread each.
"""

from typing import Annotated

from fastapi import Depends, Request

from dashboards.rendering import Renderer
from service.access.keyring import Keyring
from service.answers import Answers
from service.comparison.queries import Comparisons
from service.db import Database
from service.events.watcher import Watcher
from service.heatmaps.queries import ResultsCache
from service.metrics.registry import Metrics
from service.search.reading import SearchReader
from service.settings import Settings


async def _database(request: Request) -> Database:
    found: Database = request.app.state.database
    return found


async def _settings(request: Request) -> Settings:
    found: Settings = request.app.state.settings
    return found


async def _results(request: Request) -> ResultsCache:
    found: ResultsCache = request.app.state.results
    return found


async def _searches(request: Request) -> SearchReader:
    found: SearchReader = request.app.state.searches
    return found


async def _keyring(request: Request) -> Keyring:
    found: Keyring = request.app.state.keyring
    return found


async def _renderer(request: Request) -> Renderer:
    found: Renderer = request.app.state.renderer
    return found


async def _answers(request: Request) -> Answers:
    found: Answers = request.app.state.answers
    return found


async def _comparisons(request: Request) -> Comparisons:
    found: Comparisons = request.app.state.comparisons
    return found


async def _metrics(request: Request) -> Metrics:
    found: Metrics = request.app.state.metrics
    return found


KeyringOf = Annotated[Keyring, Depends(_keyring)]
DatabaseOf = Annotated[Database, Depends(_database)]
SettingsOf = Annotated[Settings, Depends(_settings)]
ResultsOf = Annotated[ResultsCache, Depends(_results)]
SearchesOf = Annotated[SearchReader, Depends(_searches)]
AnswersOf = Annotated[Answers, Depends(_answers)]
ComparisonsOf = Annotated[Comparisons, Depends(_comparisons)]
RendererOf = Annotated[Renderer, Depends(_renderer)]


def _watcher(request: Request) -> Watcher:
    found: Watcher = request.app.state.watcher
    return found


MetricsOf = Annotated[Metrics, Depends(_metrics)]
WatcherOf = Annotated[Watcher, Depends(_watcher)]
