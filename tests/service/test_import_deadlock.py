"""An import and a runner that wait for each other: PostgreSQL ends one, which is tried again."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select, text

from service.archive import storing, writing
from service.db import Database
from service.db.tables.studies import TrialRow
from tests.live import wait_until
from tests.service import work

MOST = 100
WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


def hold(session, key):
    """Have nobody else change a trial until the commit, as runners do."""
    session.execute(select(TrialRow.key).where(TrialRow.key == key).with_for_update())


def test_an_import_that_waits_for_who_waits_for_it_is_done(
    sqlite_url, postgres_url, study, tmp_path, monkeypatch
):
    monkeypatch.setattr(storing, "ROWS", 1)  # so that it takes one trial after the other
    first, other = Database(sqlite_url), Database(postgres_url)
    study_id = work.send(first, study())
    work.train(first, study_id)
    writing.write(first.address, study_id, tmp_path / "file")
    work.send(other, study())
    keys = [trial.key for trial in storing.read(tmp_path / "file", max_trials=MOST).trials]
    with ThreadPoolExecutor(1) as pool:
        with other.write() as session:
            # Not this one's: whoever first notices is ended.
            session.execute(text("SET LOCAL deadlock_timeout = '20s'"))
            hold(session, keys[-1])
            importing = pool.submit(storing.load, other.address, tmp_path / "file", max_trials=MOST)
            wait_until(lambda: session.scalar(WAITING))
            hold(session, keys[0])
        assert importing.result().completed == len(keys)
    first.close()
    other.close()
