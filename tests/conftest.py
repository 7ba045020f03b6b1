"""What tests of several packages share: both real databases, the application on them, a study.

A test that takes `database` or `client` runs twice: on SQLite and on PostgreSQL.
"""

import os
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as drawing
from playwright.sync_api import Browser
from sqlalchemy.engine import URL, make_url

from service.app import create_app
from service.db import Database, schema
from service.settings import Settings
from tests import postgresql
from tests.browsing import chromium

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have httpx's successor
    from starlette.testclient import TestClient

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Of tests in a script's background: the processes they start and interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["LPWD_ALLOWED_HOSTS"] = "testserver"  # as which the TestClient asks

# The same examples everywhere, however slow the machine: a timing is no test.
drawing.register_profile(
    "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
drawing.load_profile("same")


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    """Have denormal numbers again where a test trained as a worker does, without them."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    """Start one PostgreSQL server for the session; returns the URL of its maintenance database."""
    folder = Path(tempfile.mkdtemp(prefix="lpwd-postgres-"))
    server = postgresql.served(folder)
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        # No test pulls the plug.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            postgresql.execute(url, f"ALTER SYSTEM SET {setting} = off")
        postgresql.execute(url, "SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres: URL) -> str:
    """Migrate a database once; returns its name. Copying it is quicker than migrating again."""
    postgresql.execute(postgres, "CREATE DATABASE template")
    _migrate(postgresql.shown(postgres.set(database="template")))
    return "template"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate a SQLite file once."""
    path = tmp_path_factory.mktemp("template") / "lpwd.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_databases(postgres: URL, postgres_template: str) -> postgresql.Databases:
    """Keep databases that are emptied after a test for the next."""
    return postgresql.Databases(postgres, postgres_template)


@pytest.fixture
def postgres_url(postgres_databases: postgresql.Databases) -> Iterator[str]:
    """Lend a test a migrated PostgreSQL database without any row."""
    with postgres_databases.one() as url:
        yield url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Make a migrated SQLite file of its own for a test."""
    path = tmp_path / "lpwd.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Make a migrated database of each kind."""
    kind = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(kind)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def blank_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Make a database of each kind without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'blank.db'}"
        return
    with postgresql.fresh(request.getfixturevalue("postgres"), "template0") as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Open a migrated database of each kind."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Return the settings of an installation on `database`; a `.env` file here is not read."""
    return Settings(_env_file=None, database_url=database_url, data_dir=tmp_path)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """Talk to the application on `database`. What it does not expect, the test sees."""
    with TestClient(create_app(settings)) as talking:
        yield talking


@pytest.fixture
def study() -> Callable[..., dict[str, Any]]:
    """Make a valid request for a small study, 2 × 2 × 2 × 2 trials; keywords change it."""

    def make(**changes: Any) -> dict[str, Any]:
        return {
            "task": "digits-mlp",
            "optimizers": ["adamw", "adam-lpwd"],
            "learning_rates": [0.001, 0.01],
            "weight_decays": [0.0, 0.1],
            "seeds": 2,
            "budget": {"epochs": 2, "batch_size": 64},
        } | changes

    return make


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a Chromium. While it lives its event loop runs in this thread, so not for longer."""
    with chromium() as running:
        yield running


def _migrate(url: str) -> None:
    database = Database(url)
    schema.upgrade(database)
    database.close()
