"""Backups: from either database into either, while it is used, whole or not at all."""

import gzip
import shutil
import sqlite3
import threading

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url

from service.db import Base, Database, schema
from service.db.backup import BackupError, backup, restore
from service.db.counters import Heartbeat, count
from service.db.tables.studies import EventRow, StudyRow
from service.events.repository import announce
from tests.postgresql import fresh
from tests.service import samples, work


@pytest.fixture
def filled(database, study):
    """A database with a study that is done, one with diverged trials, and one that waits."""
    done = work.send(database, study(name="Δ – fertig"))
    work.train(database, done, lambda trial: None if trial.learning_rate > 0.005 else 0.9)
    work.send(database, study(seeds=[7]))
    return database


@pytest.fixture(params=["sqlite", "postgresql"])
def other(request, tmp_path):
    """An empty database of each kind, to restore into."""
    if request.param == "sqlite":
        opened = Database(f"sqlite:///{tmp_path / 'other.db'}")
    else:
        opened = Database(request.getfixturevalue("other_postgres"))
    yield opened
    opened.close()


@pytest.fixture
def other_postgres(postgres_url):
    """`database` has taken `postgres_url`, where it is PostgreSQL: copy its name's template."""
    server = make_url(postgres_url).set(database="postgres")
    with fresh(server, "template0") as url:
        yield url


def contents(database):
    with database.read() as session:
        return {
            table.name: sorted(
                (tuple(map(repr, row)) for row in session.execute(select(table))), key=str
            )
            for table in Base.metadata.sorted_tables
        }


def test_a_backup_restores_into_either_database(database, other, tmp_path):
    samples.fill_every_table(database)
    before = contents(database)
    assert all(before.values()), {name for name, rows in before.items() if not rows}
    file = tmp_path / "backups" / "lpwd.backup"
    file.parent.mkdir()
    backup(database, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
    steps = []
    restore(other, file, progress=lambda *step: steps.append(step))
    assert contents(database) == before
    # Who was at work on the one is not on the other.
    assert contents(other) == before | {"runners": [], "heartbeats": []}
    assert schema.pending(other) == []
    assert steps
    assert all(0 <= done <= total for _, done, total in steps)


def test_events_after_a_restore_have_numbers_that_nobody_has_seen(filled, other, tmp_path):
    backup(filled, tmp_path / "file")
    with filled.write() as session:  # those who watch are told of it, and then it is lost
        study_id = session.scalars(select(StudyRow.id)).first()
        announce(session, study_id, ["header"])
    with filled.read() as session:
        seen = session.scalar(select(func.max(EventRow.id)))
    restore(other, tmp_path / "file")
    with other.write() as session:
        announce(session, study_id, ["header"])
    with other.read() as session:
        assert session.scalar(select(func.max(EventRow.id))) > seen


def test_a_backup_is_a_sqlite_database_in_gzip(filled, tmp_path):
    backup(filled, tmp_path / "file")
    with gzip.open(tmp_path / "file") as packed, (tmp_path / "plain.db").open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    with sqlite3.connect(tmp_path / "plain.db") as plain:
        assert plain.execute("SELECT count(*) FROM studies").fetchone() == (2,)
    plain.close()


def test_a_backup_is_of_one_moment_while_others_write(filled, tmp_path, study):
    stop = threading.Event()

    def write():
        seed = 100
        while not stop.is_set():
            work.send(filled, study(seeds=[seed]))
            seed += 1

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for number in range(3):
            backup(filled, tmp_path / f"{number}")
    finally:
        stop.set()
        writing.join()
    target = Database(f"sqlite:///{tmp_path / 'target.db'}")
    for number in range(3):
        restore(target, tmp_path / f"{number}", force=True)
        with target.read() as session:
            per_study = session.execute(
                text(
                    "SELECT studies.id, count(trial_key) FROM studies "
                    "LEFT JOIN study_trials ON study_id = studies.id GROUP BY studies.id"
                )
            ).all()
            assert {trials for _, trials in per_study} <= {8, 16}
            assert session.execute(text("PRAGMA foreign_key_check")).all() == []
    target.close()


def test_a_database_that_holds_something_is_replaced_by_force_alone(filled, other, tmp_path, study):
    backup(filled, tmp_path / "file")
    schema.upgrade(other)
    with other.write() as session:
        count(session, "lease_losses")  # of which nobody would say that it holds something
    restore(other, tmp_path / "file")
    work.send(other, study(seeds=[9]))
    before = contents(other)
    with pytest.raises(BackupError, match=r"holds something already.*--force"):
        restore(other, tmp_path / "file")
    assert contents(other) == before
    restore(other, tmp_path / "file", force=True)
    assert contents(other) == contents(filled)


@pytest.mark.parametrize("how", ["cut", "flipped", "no gzip", "no database", "empty", "foreign"])
def test_a_damaged_backup_changes_nothing(filled, tmp_path, how):
    file = tmp_path / "file"
    backup(filled, file)
    data = bytearray(file.read_bytes())
    if how == "cut":
        data = data[: len(data) // 2]
    elif how == "flipped":
        data[len(data) // 2] ^= 0xFF
    elif how == "no gzip":
        data = b"something else"
    elif how == "no database":
        data = gzip.compress(b"something else" * 1000)
    elif how == "empty":
        data = b""
    else:
        sqlite3.connect(tmp_path / "foreign.db").executescript("CREATE TABLE t (x);").close()
        data = gzip.compress((tmp_path / "foreign.db").read_bytes())
    file.write_bytes(data)
    before = contents(filled)
    with pytest.raises(BackupError, match="file"):
        restore(filled, file, force=True)
    assert contents(filled) == before
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


@pytest.mark.parametrize("revision", schema.REVISIONS[:-1])
def test_a_backup_of_an_older_version_is_brought_up_to_date(blank_url, tmp_path, revision):
    old = Database(blank_url)
    schema.upgrade(old, revision)
    insert = (
        "INSERT INTO schedules (id, name, cron, timezone, study, enabled, next_at, created_at) "
        "VALUES ('a', 'n', '0 2 * * *', 'UTC', '{}', %s, NULL, '2026-01-01 00:00:00')"
    )
    if revision != "0001":  # whose migration rewrites studies of schedules
        with old.write() as session:
            session.execute(text(insert % "false"))
    backup(old, tmp_path / "file")
    new = Database(f"sqlite:///{tmp_path / 'new.db'}")
    restore(new, tmp_path / "file")
    assert schema.pending(new) == []
    with new.read() as session:
        names = session.scalars(text("SELECT name FROM schedules")).all()
    assert names == (["n"] if revision != "0001" else [])
    new.close()
    old.close()


def test_a_backup_of_a_newer_version_is_refused(sqlite_url, tmp_path):
    database = Database(sqlite_url)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    backup(database, tmp_path / "file")
    target = Database(f"sqlite:///{tmp_path / 'target.db'}")
    with pytest.raises(BackupError, match="newer version"):
        restore(target, tmp_path / "file")
    assert schema.current(target) is None
    target.close()
    database.close()


def test_what_cannot_be_written_is_told(filled, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(BackupError, match="folder cannot be written: it is a folder"):
        backup(filled, tmp_path / "folder")
    with pytest.raises(BackupError, match=r"there is no folder .*elsewhere; make it"):
        backup(filled, tmp_path / "elsewhere" / "file")
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BackupError, match="is there already; --force replaces it"):
        backup(filled, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(BackupError, match="no tables"):
        backup(empty, tmp_path / "another")
    empty.close()


def test_nothing_is_restored_under_a_running_service(filled, tmp_path):
    backup(filled, tmp_path / "file")
    heart = Heartbeat(filled, "scheduler")
    heart.beat()
    before = contents(filled)
    with pytest.raises(BackupError, match="stop the service before"):
        restore(filled, tmp_path / "file", force=True)
    assert contents(filled) == before
    (tmp_path / "nothing").write_text("no backup")
    with pytest.raises(BackupError, match="nothing is damaged"):  # the file comes first
        restore(filled, tmp_path / "nothing", force=True)
    heart.end()
    restore(filled, tmp_path / "file", force=True)


def test_a_copy_can_be_replaced_at_once_though_the_service_was_running(database, tmp_path):
    heart = Heartbeat(database, "scheduler")
    heart.beat()
    backup(database, tmp_path / "file")
    copy = Database(f"sqlite:///{tmp_path / 'copy.db'}")
    restore(copy, tmp_path / "file")
    restore(copy, tmp_path / "file", force=True)
    copy.close()
