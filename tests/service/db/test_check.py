"""`lpwd db`: what makes no sense is found, and mended where nothing gets lost by it."""

import sqlite3

import pytest
from sqlalchemy import delete, select, text, update
from typer.testing import CliRunner

from service.cli import app as commands
from service.db import Database, schema
from service.db.check import check, repair
from service.db.tables.studies import CurveRow, StudyRow, StudyTrialRow, TrialRow
from service.settings import settings
from service.trials.model import TrialState
from tests.service import work


@pytest.fixture
def filled(database, study):
    done = work.send(database, study())
    work.train(database, done)
    running = work.send(database, study(seeds=[7]))
    held = work.lease(database)
    work.take(database, held, work.to_do(database, running)[:2])
    return database


def change(database, statement):
    with database.write() as session:
        session.execute(statement)


def wrong(database):
    return [one for one in check(database) if not one.ok]


def one_key(database, state=TrialState.DONE):
    with database.read() as session:
        return session.scalars(select(TrialRow.key).where(TrialRow.state == state)).first()


def test_a_database_in_use_makes_sense(filled):
    steps = []
    found = list(check(filled, lambda *step: steps.append(step)))
    assert [one.name for one in found if not one.ok] == []
    assert len(found) == 8 + 2 * filled.sqlite
    assert {name for name, *_ in steps} < {one.name for one in found}


def loosen(database):
    given_back = {"state": "queued", "lease_token": None, "lease_expires_at": None}
    change(database, update(StudyRow).values(**given_back, finished_at=None, error=None))


def orphan(database):
    change(
        database,
        delete(StudyTrialRow).where(StudyTrialRow.trial_key == one_key(database, "pending")),
    )


def spoil_curve(database):
    key = one_key(database)
    change(database, update(CurveRow).where(CurveRow.trial_key == key).values(data=b"no curve"))


def shorten_curve(database):
    key = one_key(database)
    change(database, update(CurveRow).where(CurveRow.trial_key == key).values(epochs=77))


@pytest.mark.parametrize(
    ("spoil", "names", "left"),
    [
        (loosen, ["running trials belong"], []),
        (orphan, ["trials without a result belong", "studies have as many"], ["as many"]),
        (spoil_curve, ["curves can be read"], []),
        (shorten_curve, ["curves can be read"], []),
    ],
)
def test_what_is_wrong_is_found_and_mended(filled, spoil, names, left):
    spoil(filled)
    found = wrong(filled)
    assert len(found) == len(names)
    for one, name in zip(found, names, strict=True):
        assert one.name.startswith(name)
        assert one.wrong in (1, 2)
        assert one.examples
        assert one.repair is not None or one.advice
        assert repair(filled, one) == (one.wrong if one.repair else 0)
    assert [one.wrong for one in wrong(filled)] == [1] * len(left)


def test_changed_trials_are_found(filled):
    key = one_key(filled)
    change(filled, update(TrialRow).where(TrialRow.key == key).values(learning_rate=0.0011))
    (found,) = wrong(filled)
    assert (found.examples, found.repair) == ((key,), None)
    assert "hash" in found.name


def test_done_studies_without_results_are_found(filled):
    values = {"state": "failed", "reason": "made up"}
    change(filled, update(TrialRow).where(TrialRow.key == one_key(filled)).values(**values))
    (found,) = wrong(filled)
    assert "result of every trial" in found.name
    assert "retry" in found.advice


def test_a_broken_file_is_found(sqlite_url, study):
    database = Database(sqlite_url)
    work.send(database, study())
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    raw = sqlite3.connect(database.url.database)
    raw.execute("PRAGMA foreign_keys=OFF")
    raw.execute("DELETE FROM trials WHERE key IN (SELECT key FROM trials LIMIT 2)")
    raw.commit()
    raw.close()
    found = {one.name: one.wrong for one in wrong(database)}
    assert found["what is referred to is there"] == 2
    database.close()


@pytest.fixture
def lpwd(database_url, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LPWD_DATABASE_URL", database_url)
    settings.cache_clear()
    yield lambda *arguments, **more: CliRunner().invoke(commands, ["db", *arguments], **more)
    settings.cache_clear()


def test_the_command_line_tells_and_mends(lpwd, filled):
    assert lpwd("check").exit_code == 0
    spoil_curve(filled)
    told = lpwd("check")
    assert told.exit_code == 1
    assert "WRONG  curves can be read, and are as long as they say: 1 are not (" in told.stdout
    assert "--repair mends this" in told.stdout
    mended = lpwd("check", "--repair")
    assert (mended.exit_code, "mended 1" in mended.stdout) == (0, True)
    change(filled, update(TrialRow).where(TrialRow.key == one_key(filled)).values(seed=77))
    told = lpwd("check", "--repair")
    assert (told.exit_code, "restore a backup" in told.stdout) == (1, True)


def test_backup_and_restore_from_the_command_line(lpwd, filled, tmp_path):
    assert "wrote file, " in lpwd("backup", "file").stdout
    refused = lpwd("restore", "file")
    assert "--force" in str(refused.exception)
    assert "restored file" in lpwd("restore", "file", "--force").stdout
    assert "file is there already" in str(lpwd("backup", "file").exception)
    assert "wrote file, " in lpwd("backup", "file", "--force").stdout


def test_a_file_that_is_no_backup_makes_no_database(lpwd, tmp_path, monkeypatch):
    monkeypatch.setenv("LPWD_DATABASE_URL", f"sqlite:///{tmp_path / 'made' / 'new.db'}")
    settings.cache_clear()
    (tmp_path / "text").write_text("no backup")
    assert "missing cannot be read: No such file" in str(lpwd("restore", "missing").exception)
    assert "text is damaged, or no backup" in str(lpwd("restore", "text").exception)
    assert not (tmp_path / "made").exists()


def test_tables_go_back_and_forth_from_the_command_line(lpwd, database):
    assert lpwd("status").exit_code == 0
    assert "base, 0001" in str(lpwd("downgrade", "nothing", "--yes").exception)
    assert lpwd("downgrade", "0001", input="n\n").exit_code == 1
    assert schema.current(database) == schema.REVISIONS[-1]
    assert "revision 0001" in lpwd("downgrade", "0001", "--yes").stdout
    told = lpwd("status")
    assert (told.exit_code, "lacks 0002: run" in told.stdout) == (1, True)
    assert "tables are current" in lpwd("check").stdout
    assert "applied 0002" in lpwd("upgrade").stdout
    assert lpwd("status").exit_code == 0
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM studies")) == 0
