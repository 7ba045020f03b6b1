"""The database itself: migrations, settings of SQLite, times, transactions."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import StatementError
from starlette.testclient import TestClient

from service.app import create_app
from service.db import Base, Database, schema
from service.db.tables.studies import StudyRow
from service.settings import Settings
from tests.service import work


@pytest.fixture
def blank(blank_url):
    opened = Database(blank_url)
    yield opened
    opened.close()


def tables(database):
    return set(inspect(database.engine).get_table_names())


def test_migrations_go_up_and_down_and_up_again(blank):
    revisions = schema.pending(blank)
    assert revisions[0] == "0001"
    for _ in range(2):
        schema.upgrade(blank)
        assert schema.pending(blank) == []
        assert tables(blank) == {*Base.metadata.tables, "alembic_version"}
        schema.upgrade(blank)
        schema.downgrade(blank, "base")
        assert tables(blank) == {"alembic_version"}
        assert schema.pending(blank) == revisions


def test_migrations_make_what_the_models_say(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrations_make_the_models_constraints(blank):
    """Alembic compares no check constraints: made both ways, they have the same names."""

    def constraints():
        found = inspect(blank.engine)
        return {
            (table, check["name"])
            for table in Base.metadata.tables
            for check in found.get_check_constraints(table)
        }

    Base.metadata.create_all(blank.engine)
    wanted = constraints()
    Base.metadata.drop_all(blank.engine)
    schema.upgrade(blank)
    assert constraints() == wanted
    assert len(wanted) >= 10


def test_sqlite_is_set_up_for_many_readers_and_one_writer(sqlite_url):
    database = Database(sqlite_url)
    with database.read() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
        assert session.scalar(text("PRAGMA synchronous")) == 1
    database.close()


def test_a_reader_sees_one_state_while_others_write(database, sent):
    study_id = sent()
    with database.read() as reading:
        before = reading.scalar(text("SELECT count(*) FROM studies"))
        other = sent(seeds=[5])
        assert reading.scalar(text("SELECT count(*) FROM studies")) == before == 1
        assert reading.get(StudyRow, other) is None
        assert reading.get(StudyRow, study_id) is not None
    assert len(work.rows(database, StudyRow)) == 2


def test_a_write_that_fails_writes_nothing(database, sent):
    study_id = sent()

    def rename():
        with database.write() as session:
            session.get(StudyRow, study_id).name = "half done"
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rename()
    assert work.rows(database, StudyRow)[0].name != "half done"


def test_times_are_aware_and_in_utc(database, sent):
    sent()
    moment = datetime(2026, 3, 29, 2, 30, 0, 123456, timezone(timedelta(hours=9)))
    with database.write() as session:
        session.get(StudyRow, work.rows(database, StudyRow)[0].id).started_at = moment
    (row,) = work.rows(database, StudyRow)
    assert row.started_at == moment
    assert row.started_at.tzinfo is UTC
    assert row.created_at.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(database, sent):
    sent()
    with pytest.raises((StatementError, ValueError), match="no time zone"), database.write() as s:
        s.get(StudyRow, work.rows(database, StudyRow)[0].id).started_at = datetime(2026, 1, 1)  # noqa: DTZ001


def app_on(url):
    return TestClient(create_app(Settings(_env_file=None, database_url=url)))


def test_readiness_needs_the_tables(blank, blank_url):
    with app_on(blank_url) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "lpwd db upgrade" in answer.json()["reason"]
        schema.upgrade(blank)
        assert client.get("/readyz").json()["status"] == "ready"
        with blank.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "does not know" in answer.json()["reason"]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_that_does_not_answer_is_a_503(kind, tmp_path):
    (tmp_path / "folder").mkdir()
    nowhere = quote(str(tmp_path / "nowhere"), safe="")
    url = {
        "sqlite": f"sqlite:///{tmp_path / 'folder'}",
        "postgresql": f"postgresql://postgres@/none?host={nowhere}",
    }[kind]
    with app_on(url) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        for answer in (
            client.get("/api/v1/studies"),
            client.post("/api/v1/schedules/abc/run"),
        ):
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"] == "urn:lpwd:problem:database-unavailable"
            assert str(tmp_path) not in answer.text
        assert client.get("/api/v1/optimizers").status_code == 200
