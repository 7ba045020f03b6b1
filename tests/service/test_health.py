"""`/readyz` means it, and `lpwd health` for processes without a port."""

import os
import shutil
import signal
import sqlite3
from collections import namedtuple
from datetime import timedelta

import pytest
from sqlalchemy import insert, text, update
from starlette.testclient import TestClient
from typer.testing import CliRunner

from service import health as endpoints
from service import readiness
from service.app import create_app
from service.cli import app as commands
from service.db import Database, utcnow
from service.db.counters import Heartbeat
from service.db.tables.processes import HeartbeatRow, RunnerRow
from service.runners.model import RunnerState
from service.settings import Settings
from service.settings import settings as current_settings
from tests.live import PATIENCE, wait_until


def checks(client, status=200):
    answer = client.get("/readyz")
    assert answer.status_code == status, answer.text
    found = answer.json()
    assert (found["status"], found["reason"] is None) == (
        ("ready", True) if status == 200 else ("unready", False)
    )
    return {one["name"]: (one["ok"], one["detail"]) for one in found["checks"]}


def test_everything_is_looked_at(client):
    found = checks(client)
    assert list(found) == ["database", "tables", "writable", "disk", "renderer"]
    assert all(ok for ok, _ in found.values())
    assert "not started" in found["renderer"][1]


def test_a_renderer_that_was_killed_is_started_again(client):
    renderer = client.app.state.renderer
    renderer._child.call(os.getpid, seconds=60)
    (pid,) = renderer._child.pids
    assert checks(client)["renderer"] == (True, f"process {pid}")
    os.kill(pid, signal.SIGKILL)
    found = wait_until(lambda: checks(client)["renderer"])
    assert found[0]
    assert renderer._child.pids != (pid,) or wait_until(lambda: renderer._child.pids != (pid,))
    renderer.close()
    ok, _ = checks(client)["renderer"]
    assert ok, "one that is closed was never asked"


def test_a_full_disk_is_no_ready_service(client, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 10**12, 5 * 2**20))
    ok, said = checks(client, 503)["disk"]
    assert not ok
    assert "5 MiB are free" in said


def test_a_writer_that_does_not_end_is_told(sqlite_url, monkeypatch):
    monkeypatch.setattr(readiness, "LOCK_PATIENCE", 0.1)
    database = Database(sqlite_url)
    blocking = sqlite3.connect(database.url.database, isolation_level=None)
    blocking.execute("BEGIN IMMEDIATE")
    with pytest.raises(readiness.NotReadyError, match="has been writing for over"):
        readiness._writable(database)
    blocking.execute("ROLLBACK")
    assert readiness._writable(database) == "can be written"
    blocking.close()
    database.close()


def test_a_database_that_may_only_be_read_is_told(postgres_url):
    database = Database(postgres_url)
    assert readiness._writable(database) == "can be written"
    with database.engine.connect() as connection:
        name = database.url.database
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
        connection.commit()
    database.close()
    with pytest.raises(readiness.NotReadyError, match="read-only"):
        readiness._writable(database)
    database.close()


def test_a_database_that_hangs_is_told_in_time(postgres_url, monkeypatch):
    monkeypatch.setattr(endpoints, "PATIENCE", PATIENCE)
    database = Database(postgres_url)
    app = create_app(Settings(_env_file=None, database_url=postgres_url))
    with TestClient(app) as client:
        checks(client)
        with database.engine.begin() as connection, monkeypatch.context() as patch:
            patch.setattr(endpoints, "PATIENCE", 0.2)
            connection.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))
            for _ in range(3):  # which all wait for the one look that hangs
                assert "hangs" in checks(client, 503)["time"][1]
            assert client.get("/healthz").json() == {"status": "ok"}
        wait_until(lambda: client.get("/readyz").is_success)
    database.close()


@pytest.fixture
def lpwd(database_url, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LPWD_DATABASE_URL", database_url)
    monkeypatch.setenv("LPWD_PORT", "1")
    current_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(commands, ["health", *arguments])
    current_settings.cache_clear()


def test_processes_without_a_port_are_well_while_they_are_heard_of(lpwd, database):
    silent = lpwd("scheduler")
    assert (silent.exit_code, "none was ever heard of" in silent.stdout) == (1, True)
    heart = Heartbeat(database, "scheduler")
    heart.beat()
    heart.beat()
    assert lpwd("scheduler").exit_code == 0
    with database.write() as session:
        session.execute(update(HeartbeatRow).values(seen_at=utcnow() - timedelta(minutes=5)))
    late = lpwd("scheduler")
    assert (late.exit_code, "300 s ago, which is longer than" in late.stdout) == (1, True)
    with database.write() as session:
        session.execute(update(HeartbeatRow).values(seen_at=utcnow() + timedelta(days=1)))
    ahead = lpwd("scheduler")
    assert (ahead.exit_code, "since the clock was set back" in ahead.stdout) == (1, True)
    another = Heartbeat(database, "scheduler")
    another.beat()
    assert lpwd("scheduler").exit_code == 0
    another.end()
    heart.end()
    assert "none was ever" in lpwd("scheduler").stdout
    row = {"id": "a", "host": os.uname().nodename, "pid": 1, "devices": [], "seen_at": utcnow()}
    with database.write() as session:
        session.execute(
            insert(RunnerRow).values(**row, state=RunnerState.IDLE, started_at=utcnow())
        )
    assert lpwd("runner").exit_code == 0
    away = lpwd("api")
    assert (away.exit_code, "does not answer at" in away.stdout) == (1, True)
