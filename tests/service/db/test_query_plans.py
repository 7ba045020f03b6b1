"""What pages and runners ask is answered by indices, however many studies and trials there are."""

import json
import re
import shutil

import pytest
from sqlalchemy import event, text
from starlette.testclient import TestClient

from benchmarks.filled_database import fill
from service.app import create_app
from service.db import Database, utcnow
from service.metrics.collected import read
from service.queue import claim
from service.queue.order import anything, in_order
from service.queue.results import missing, record
from service.settings import Settings
from service.studies import costs, queries, repository, trial_rows
from service.studies.model import StudyFilter, StudyState
from tests.service import work

LARGE = ("trials", "study_trials", "curves", "events", "studies")
STUDIES = 300


@pytest.fixture(scope="module")
def sqlite_filled(tmp_path_factory, sqlite_template):
    path = tmp_path_factory.mktemp("filled") / "lpwd.db"
    shutil.copy(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    fill(database, STUDIES, curves_every=50)
    yield database
    database.close()


class Asked:
    """The statements of a block, with what they were asked with."""

    def __init__(self, database):
        self.database = database
        self.statements = []

    def _take(self, _connection, _cursor, statement, parameters, _context, many):
        if (
            statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "WITH"))
            and not many
        ):
            self.statements.append((statement, parameters))

    def __enter__(self):
        event.listen(self.database.engine, "before_cursor_execute", self._take)
        return self

    def __exit__(self, *_):
        event.remove(self.database.engine, "before_cursor_execute", self._take)

    def scans(self):
        """Tables that a statement reads from end to end, each with the statement."""
        found = []
        with self.database.engine.connect() as connection:
            for statement, parameters in self.statements:
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                for row in rows:
                    scanned = re.match(r"SCAN (\w+)(?!.*USING)", row[3])
                    if scanned and scanned[1] in LARGE:
                        found.append((scanned[1], statement))
        return found


def ids(database):
    with database.read() as session:
        return [study.id for study in queries.page(session).items]


DONE = StudyFilter(states=(StudyState.DONE,))
QUESTIONS = {
    "the list": lambda session, one: queries.page(session),
    "of a state": lambda session, one: queries.page(
        session, StudyFilter(states=(StudyState.DONE,))
    ),
    "a study": lambda session, one: queries.summary(session, one),
    "its trials": lambda session, one: missing(session, one),
    "the queue": lambda session, one: (
        anything(session, utcnow()),
        session.scalars(in_order(utcnow())).all(),
    ),
    "what a study would cost": lambda session, one: costs.plan(
        session, repository.load_spec(session, one)
    ),
    "trials left behind": lambda session, one: trial_rows.release_trials(session, one),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_nothing_large_is_read_from_end_to_end(sqlite_filled, question):
    one = ids(sqlite_filled)[3]
    with Asked(sqlite_filled) as asked, sqlite_filled.read() as session:
        QUESTIONS[question](session, one)
    assert asked.statements
    assert asked.scans() == []


def test_pages_read_nothing_large_from_end_to_end(sqlite_filled):
    url = sqlite_filled.url.render_as_string()
    one = ids(sqlite_filled)[3]
    app = create_app(Settings(_env_file=None, database_url=url))
    address = f"/api/v1/studies/{one}"
    with (
        TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 5)) as client,
        Asked(app.state.database) as asked,
    ):
        cursor = client.get("/api/v1/studies").json()["next_cursor"]
        for path in (
            "/",
            f"/api/v1/studies?cursor={cursor}",
            "/api/v1/studies?state=queued",
            address,
            f"{address}/trials",
            f"{address}/heatmap.json",
            "/api/v1/queue",
        ):
            assert client.get(path).is_success, path
    assert len(asked.statements) > 10
    with Asked(sqlite_filled) as explaining:
        explaining.statements = asked.statements
        assert explaining.scans() == []


def test_a_runner_reads_nothing_large_from_end_to_end(sqlite_filled, study):
    work.send(sqlite_filled, study(seeds=[77]))
    with Asked(sqlite_filled) as asked:
        held = claim(sqlite_filled, seconds=100, device="test")
        keys = work.to_do(sqlite_filled, held.study_id)
        work.take(sqlite_filled, held, keys)
        record(sqlite_filled, held, results=[work.result(key) for key in keys])
        with sqlite_filled.write() as session:
            held.finish(session)
    assert len(asked.statements) > 10
    assert asked.scans() == []


def test_a_key_tells_more_than_a_state(sqlite_filled):
    """Without statistics, SQLite looks through all trials of a state for a few keys."""
    statement = (
        "EXPLAIN QUERY PLAN SELECT count(*) FROM trials "
        "WHERE key IN ('a', 'b', 'c') AND state IN ('done', 'diverged')"
    )
    with sqlite_filled.engine.connect() as connection:
        (row,) = connection.exec_driver_sql(statement).all()
    assert "sqlite_autoindex_trials_1 (key=?)" in row[3]


def test_metrics_count_states_in_an_index(sqlite_filled):
    with Asked(sqlite_filled) as asked:
        read(sqlite_filled)
    assert asked.scans() == []


def test_postgresql_finds_trials_by_their_keys(postgres_url, study):
    database = Database(postgres_url)
    fill(database, 60, curves_every=100)
    with database.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
    one = ids(database)[3]
    statements = []

    def take(_connection, _cursor, statement, parameters, _context, many):
        if statement.startswith("SELECT") and not many:
            statements.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", take)
    with database.read() as session:
        queries.summary(session, one)
        missing(session, one)
        costs.plan(session, repository.load_spec(session, one))
    event.remove(database.engine, "before_cursor_execute", take)
    assert len(statements) > 3
    with database.engine.connect() as connection:
        for statement, parameters in statements:
            (plan,) = connection.exec_driver_sql(
                f"EXPLAIN (FORMAT JSON) {statement}", parameters
            ).one()
            scanned = re.findall(
                r'"Node Type": "Seq Scan"[^{}]*?"Relation Name": "(\w+)"', json.dumps(plan)
            )
            # Small tables are read whole, and rightly so.
            assert not set(scanned) & {"trials", "study_trials"}, (statement, plan)
    database.close()
