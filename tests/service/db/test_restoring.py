"""What a backup must not change on its way, and when it must not be restored."""

from datetime import timedelta

import pytest
from sqlalchemy import text, update

from service.db import Database, utcnow
from service.db.backup import BackupError, backup, restore
from service.db.counters import Heartbeat
from service.db.tables.processes import HeartbeatRow
from service.schedules.repository import create, fire_now
from service.schedules.schemas import ScheduleRequest

MOST = 100


def test_a_firing_without_a_regression_has_none_after_a_restore(postgres_url, study, tmp_path):
    """Nor JSON's null, which pages would take for one."""
    source, target = Database(postgres_url), Database(f"sqlite:///{tmp_path / 'target.db'}")
    request = {"name": "n", "cron": "0 2 * * *", "study": study()}
    with source.write() as session:
        schedule = create(session, ScheduleRequest.model_validate(request), max_trials=MOST)
        fire_now(session, schedule.id, max_trials=MOST)
    backup(source, tmp_path / "file")
    restore(target, tmp_path / "file")
    with target.read() as session:
        assert session.scalars(text("SELECT regression IS NULL FROM firings")).all() == [1]
    source.close()
    target.close()


def test_who_spoke_tomorrow_hides_nobody_who_is_at_work(database, tmp_path):
    backup(database, tmp_path / "file")
    heart = Heartbeat(database, "scheduler")
    heart.beat()
    with database.write() as session:  # it was killed, and the clock set back
        session.execute(update(HeartbeatRow).values(seen_at=utcnow() + timedelta(days=1)))
    another = Heartbeat(database, "scheduler")
    another.beat()
    with pytest.raises(BackupError, match="stop the service before"):
        restore(database, tmp_path / "file", force=True)
    another.end()
    restore(database, tmp_path / "file", force=True)
