"""A wall clock that is set back by a day: what was noted before it must not count as the future."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from service.db import utcnow
from service.db.counters import Heartbeat, last_seen
from service.db.tables.processes import HeartbeatRow, RunnerRow
from service.db.tables.schedules import FiringRow, ScheduleRow
from service.db.tables.studies import StudyRow
from service.db.tables.webhooks import DeliveryRow
from service.queue.results import record
from service.runners.model import RunnerState
from service.runners.repository import SILENT, everyone, say, sweep
from service.schedules.repository import fire_due, realign
from service.studies import queries
from service.webhooks import delivering
from tests.service import work
from tests.service.webhooks.receiver import receiving

DAY = timedelta(days=1)
MOST = 100_000


@pytest.fixture
def schedule(client, study):
    request = {"name": "hourly", "cron": "0 * * * *", "timezone": "UTC", "study": study()}
    answer = client.post("/api/v1/schedules", json=request)
    assert answer.status_code == 201
    return answer.json()["id"]


def next_at(database, schedule_id):
    with database.read() as session:
        return session.get_one(ScheduleRow, schedule_id).next_at


def fire(database, moment):
    with database.write() as session:
        return len(fire_due(session, moment, max_trials=MOST))


def test_a_schedule_fires_again_within_its_hour_and_no_time_twice(database, schedule):
    first = next_at(database, schedule)
    assert realign(database, utcnow()) == 0
    assert fire(database, first + DAY) == 1  # the clock leapt ahead, and is put right:
    assert next_at(database, schedule) > first + DAY
    now = first + timedelta(minutes=1)
    assert realign(database, now) == 1
    assert next_at(database, schedule) == first + timedelta(hours=1)
    assert fire(database, first + timedelta(hours=1)) == 1
    # And what has fired, in an hour that comes once more, does not again.
    assert realign(database, now) == 1
    assert fire(database, first + timedelta(hours=1)) == 0
    assert next_at(database, schedule) == first + timedelta(hours=2)
    assert len(work.rows(database, FiringRow)) == len(work.rows(database, StudyRow)) == 2


def test_a_disabled_schedule_stays_as_it_is(client, database, schedule):
    client.patch(f"/api/v1/schedules/{schedule}", json={"enabled": False})
    assert realign(database, utcnow() - DAY) == 0
    assert next_at(database, schedule) is None


def test_a_delivery_is_tried_though_its_time_seems_to_be_tomorrow(installed, database, settings):
    talking = installed(webhooks_allow_http=True, webhooks_allow_private=True)
    here = settings.model_copy(update={"webhooks_allow_http": True, "webhooks_allow_private": True})
    with receiving() as receiver, ThreadPoolExecutor(1) as pool:
        hook = talking.post("/api/v1/webhooks", json={"url": receiver.url}).json()
        talking.post(f"/api/v1/webhooks/{hook['id']}/test")
        put_off(database, timedelta(seconds=delivering.LONGEST))
        assert delivering.tick(database, here, pool) == 0  # a pause that may be meant
        put_off(database, DAY)
        assert delivering.tick(database, here, pool) == 1
        assert len(receiver.got) == 1


def put_off(database, by):
    with database.write() as session:
        session.execute(update(DeliveryRow).values(next_at=utcnow() + by))


def test_a_runner_that_spoke_tomorrow_is_not_up(database):
    say(database, "r1", host="a", pid=1, state=RunnerState.IDLE, study_id=None, devices=[])
    for ahead, up, swept in ((SILENT / 2, True, 0), (2 * SILENT, False, 0), (86_400, False, 1)):
        with database.write() as session:
            session.execute(update(RunnerRow).values(seen_at=utcnow() + timedelta(seconds=ahead)))
        with database.read() as session:
            assert [one.up for one in everyone(session)] == [up]
        assert sweep(database) == swept


def test_a_scheduler_that_spoke_tomorrow_hides_none_that_speaks_now(database):
    Heartbeat(database, "scheduler").beat()
    with database.write() as session:
        session.execute(update(HeartbeatRow).values(seen_at=utcnow() + DAY))
    with database.read() as session:
        assert last_seen(session, "scheduler") is None
    Heartbeat(database, "scheduler").beat()
    with database.read() as session:
        assert utcnow() - DAY < last_seen(session, "scheduler") <= utcnow()


def test_the_time_left_is_as_the_runner_said(database, study):
    study_id = work.send(database, study())
    held = work.lease(database)
    record(database, held, seconds_left=100.0)
    with database.write() as session:
        session.execute(update(StudyRow).values(estimated_at=utcnow() + DAY))
    with database.read() as session:
        assert queries.summary(session, study_id).eta_seconds == 100.0
