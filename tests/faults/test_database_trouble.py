"""A database that is full, locked or has no tables: said as what it is, nothing broken, all goes on
once it is mended."""

import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError

from service import scheduler
from service.app import create_app
from service.cli.processes import CannotStartError, open_database
from service.db import Database, engine, trouble
from service.db.tables.studies import CurveRow
from service.db.trouble import Patience, TablesOutdatedError, Trouble
from service.db.upsert import insert_new
from service.queue.results import record
from service.settings import Settings
from service.studies.model import StudyState
from service.supervisor import STOP_WITH_STDIN
from tests.conftest import TestClient
from tests.live import PATIENCE
from tests.service import work

STUDIES = "/api/v1/studies"


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(trouble, "PAUSE", 0.1)
    monkeypatch.setattr(engine, "BUSY_TIMEOUT", 0.3)


def patience(**choices):
    return Patience(stopping=lambda: False, drain_seconds=0.0, **choices)


@contextmanager
def full(database):
    """Allow a SQLite file no page more than it has."""

    def limit(connection, _record):
        connection.execute("PRAGMA max_page_count = 1")  # it never goes below what is in use

    event.listen(database.engine, "connect", limit)
    database.engine.dispose()
    yield
    event.remove(database.engine, "connect", limit)
    database.engine.dispose()


def sound(database):
    with database.read() as session:
        return session.scalar(text("PRAGMA integrity_check")) == "ok"


@pytest.fixture
def on_sqlite(sqlite_url):
    """A SQLite file alone: these troubles are its own."""
    opened = Database(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_client(sqlite_url, tmp_path):
    """Talk to the application on the same file."""
    here = Settings(_env_file=None, database_url=sqlite_url, data_dir=tmp_path)
    with TestClient(create_app(here)) as talking:
        yield talking


def test_a_full_disk_is_said_as_such_and_nothing_is_changed(sqlite_client, on_sqlite, study):
    big = study(seeds=200)
    here = sqlite_client.app.state.database
    with full(here):
        answer = sqlite_client.post(STUDIES, json=big)
        assert answer.status_code == 507
        assert answer.json()["type"] == "urn:lpwd:problem:database-full"
        assert "nothing was changed; the disk that holds the database is full" in answer.text
        assert sqlite_client.get(STUDIES).json()["items"] == []
        assert sound(here)
    assert sqlite_client.post(STUDIES, json=big).status_code == 201


def test_results_wait_for_room_and_none_is_lost(on_sqlite, study):
    study_id = work.send(on_sqlite, study(seeds=200, budget={"epochs": 500}))
    held = work.lease(on_sqlite)
    keys = work.to_do(on_sqlite, study_id)
    work.take(on_sqlite, held, keys)
    results = [work.result(key, epochs=500) for key in keys]
    with full(on_sqlite):
        writing = threading.Thread(
            target=lambda: patience()(lambda: record(on_sqlite, held, results=results))
        )
        writing.start()
        writing.join(1.0)
        assert writing.is_alive()
        assert not any(state.known for state in work.states(on_sqlite, study_id).values())
    writing.join(PATIENCE)
    with on_sqlite.write() as session:
        assert held.finish(session) is StudyState.DONE
    assert sound(on_sqlite)


SMALL_DISK = """
import sys
from pathlib import Path
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from service.db import Database
from service.db.trouble import Trouble, trouble
from service.queue.results import record
from tests.service import work
folder = Path(sys.argv[1])
ballast = folder / "ballast"
database = Database(f"sqlite:///{folder / 'lpwd.db'}")
request = {
    "task": "digits-mlp", "optimizers": ["adamw"], "learning_rates": [0.1], "weight_decays": [0],
    "seeds": 100, "budget": {"epochs": 500},
}
study_id = work.send(database, request)
held = work.lease(database)
keys = work.to_do(database, study_id)
work.take(database, held, keys)
record(database, held, results=[work.result(key) for key in keys[:10]])
try:
    with ballast.open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
except OSError:
    pass
results = [work.result(key, epochs=500) for key in keys[10:]]
try:
    record(database, held, results=results)
except DBAPIError as error:
    assert trouble(error) is Trouble.FULL, error
else:
    raise AssertionError("there was room")
ballast.unlink()
record(database, held, results=results)
with database.write() as session:
    print(held.finish(session))
with database.read() as session:
    print(session.scalar(text("PRAGMA integrity_check")))
"""


def test_a_real_disk_that_is_full(sqlite_template, tmp_path):
    script, mount = tmp_path / "script.py", tmp_path / "disk"
    script.write_text(SMALL_DISK)
    mount.mkdir()
    commands = (
        f"mount -t tmpfs -o size=6m none {mount} && cp {sqlite_template} {mount}/lpwd.db && "
        f"exec {sys.executable} {script} {mount}"
    )
    probe = ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs none {mount}"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", commands],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["done", "ok"]


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(database):
    """Have another keep writers from a database until the block ends."""
    if not database.sqlite:
        other = create_engine(database.url)
        with other.begin() as connection:
            connection.execute(text("LOCK TABLE studies, trials IN EXCLUSIVE MODE"))
            yield
        other.dispose()
        return
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK, database.url.database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"locked\n"
    yield
    process.communicate()


def test_a_locked_database_is_waited_for(database, study):
    study_id = work.send(database, study())
    here = Database(database.address)  # which waits only shortly by itself
    held = work.lease(here, seconds=0.5)
    keys = work.to_do(here, study_id)
    work.take(here, held, keys)
    writing = threading.Thread(
        target=lambda: patience()(
            lambda: record(here, held, results=[work.result(key) for key in keys])
        )
    )
    with locked(here):
        writing.start()
        writing.join(1.5)  # past its lease, and several times past the database's own patience
        assert writing.is_alive()
    writing.join(PATIENCE)
    with here.write() as session:
        assert held.finish(session) is StudyState.DONE
    assert not here.sqlite or sound(here)
    here.close()


def test_a_locked_database_is_said_as_such(client, database, study):
    with locked(database):
        answer = client.post(STUDIES, json=study())
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:lpwd:problem:database-locked"
        assert "another process keeps the database locked" in answer.json()["detail"]
        assert answer.headers["Retry-After"] == "5"
        assert client.get(STUDIES).status_code == 200  # readers do not wait
    assert client.post(STUDIES, json=study()).status_code == 201


def drop(database, *tables):
    cascade = "" if database.sqlite else " CASCADE"
    with database.write() as session:
        for table in tables:
            session.execute(text(f"DROP TABLE {table}{cascade}"))


def test_a_missing_table_is_said_with_the_way_out(client, database):
    drop(database, "runners")
    answer = client.get("/api/v1/queue")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:lpwd:problem:database-outdated"
    assert "run `lpwd db upgrade`" in answer.json()["detail"]


def test_processes_end_where_a_table_is_missing(database, settings):
    drop(database, "firings", "schedules")
    with pytest.raises(TablesOutdatedError, match="lpwd db upgrade"):
        scheduler.run(settings, threading.Event())

    def ask():
        with database.read() as session:
            session.execute(text("SELECT * FROM schedules"))

    with pytest.raises(TablesOutdatedError):
        patience()(ask)


def test_patience_ends(database, monkeypatch):
    """With the outage, with the time to drain, and at once where the mistake is ours."""
    here = Database("postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setattr(trouble, "OUTAGE", 0.3)

    def ask(on=here, statement="SELECT 1"):
        with on.read() as session:
            session.execute(text(statement))

    with pytest.raises(DBAPIError) as caught:
        patience()(ask)
    assert trouble.trouble(caught.value) is Trouble.UNREACHABLE
    stopping = Patience(stopping=lambda: True, drain_seconds=0.0)
    with pytest.raises(DBAPIError):
        stopping(ask)
    with pytest.raises(DBAPIError) as caught:
        patience()(lambda: ask(database, "SELECT 1 FROM studies WHERE"))
    here.close()


def test_what_is_started_again_meanwhile_waits_for_the_database(
    postgres, postgres_url, monkeypatch, tmp_path
):
    here = Settings(_env_file=None, database_url=postgres_url, data_dir=tmp_path)
    opening = threading.Thread(target=lambda: open_database(here).close(), daemon=True)
    allow(postgres, here, "false")
    try:
        with pytest.raises(CannotStartError, match="cannot be opened"):
            open_database(here)
        monkeypatch.setenv(STOP_WITH_STDIN, "1")
        opening.start()
        opening.join(0.5)
        assert opening.is_alive()
    finally:
        allow(postgres, here, "true")
    opening.join(PATIENCE)
    assert not opening.is_alive()


def allow(server, here, answer):
    """Say whether a database takes connections."""
    name = make_url(here.url).database
    at = create_engine(server, isolation_level="AUTOCOMMIT")
    with at.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {answer}"))
    at.dispose()


def test_work_goes_on_once_the_database_answers_again(database):
    tries = iter(range(3))

    def work():
        if next(tries) < 2:
            with Database("postgresql://nobody@127.0.0.1:1/nothing").read() as session:
                session.execute(text("SELECT 1"))
        return "done"

    assert patience()(work) == "done"


def test_what_is_wrong_with_an_insert_is_said_like_any_other_trouble(database):
    """Many rows are sent past SQLAlchemy; its errors are what callers know."""
    rows = [{"trial_key": "nobody", "epochs": 1, "data": b""}]
    with pytest.raises(IntegrityError), database.write() as session:
        insert_new(session, CurveRow, rows)
    drop(database, "curves")
    with pytest.raises(DBAPIError) as caught, database.write() as session:
        insert_new(session, CurveRow, rows)
    assert trouble.trouble(caught.value) is Trouble.OUTDATED
