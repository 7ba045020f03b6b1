"""The metrics of one API process."""

import threading
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy.pool import QueuePool

from service.db import Database
from service.metrics.collected import DatabaseCollector

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Everything under `/metrics`. Every application has its own, so that tests may have many."""

    def __init__(self, database: Database) -> None:
        """Measure what goes on, and read the rest from `database` when asked."""
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "lpwd_http_request_seconds",
            "Time from a request to the end of its answer.",
            ["method", "route", "status"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._listeners = Gauge(
            "lpwd_event_listeners", "Open event streams.", registry=self._registry
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}
        self._lock = threading.Lock()
        _watch_pool(database, self._registry)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._registry.register(DatabaseCollector(database))

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        key = (method if method in METHODS else "other", route, status)
        child = self._children.get(key)
        if child is None:
            child = self._requests.labels(key[0], route, str(status))
            self._children[key] = child
        child.observe(seconds)

    def listen(self, change: int) -> None:
        """Count event streams: 1 where one begins, -1 where it ends."""
        self._listeners.inc(change)

    def text(self) -> bytes:
        """Return all metrics as Prometheus reads them."""
        with self._lock:  # of several that ask at once, one reads the database
            return generate_latest(self._registry)


def _watch_pool(database: Database, registry: CollectorRegistry) -> None:
    pool = database.engine.pool
    if not isinstance(pool, QueuePool):
        return
    said: tuple[tuple[str, str, Callable[[], float]], ...] = (
        ("lpwd_database_pool_connections", "Connections there are, used or not.", _open(pool)),
        ("lpwd_database_pool_used", "Connections in use.", pool.checkedout),
        ("lpwd_database_pool_size", "Connections kept open, at most.", pool.size),
    )
    for name, text, read in said:
        Gauge(name, text, registry=registry).set_function(read)


def _open(pool: QueuePool) -> Callable[[], float]:
    return lambda: pool.checkedin() + pool.checkedout()
