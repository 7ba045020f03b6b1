"""Schedules: kept by clients, fired by the clock once a due time, whoever looks at it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from service import scheduler
from service.db import Database, utcnow
from service.db.tables.schedules import FiringRow, ScheduleRow
from service.db.tables.studies import StudyRow
from service.schedules.repository import fire_due
from tests.live import PATIENCE, wait_until
from tests.service import work

SCHEDULES = "/api/v1/schedules"
MOST = 100_000


@pytest.fixture
def made(client, study):
    """Create a schedule; keywords change the request. Returns the answer's body."""

    def make(**changes):
        request = {
            "name": "nightly",
            "cron": "30 2 * * *",
            "timezone": "Europe/Berlin",
            "study": study(),
        }
        answer = client.post(SCHEDULES, json=request | changes)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return make


def due(database, schedule_id, moment):
    with database.write() as session:
        session.execute(
            update(ScheduleRow).where(ScheduleRow.id == schedule_id).values(next_at=moment)
        )


def next_at(database, schedule_id):
    with database.read() as session:
        return session.get(ScheduleRow, schedule_id).next_at


def fire(database, now, most=MOST):
    with database.write() as session:
        return len(fire_due(session, now, max_trials=most))


def test_a_schedule_is_kept_as_it_was_sent(client, made, study):
    schedule = made()
    assert schedule["next_at"] is not None
    assert schedule["study"]["task"] == "digits-mlp"
    assert schedule["study"]["weight_decays"] == [0.0, 0.1]
    assert schedule["enabled"]
    assert client.get(f"{SCHEDULES}/{schedule['id']}").json() == schedule
    assert client.get(SCHEDULES).json() == [schedule]
    assert client.get("/api/v1/studies").json()["items"] == []


def test_a_disabled_schedule_has_no_next_time_and_gets_one_when_enabled(client, made):
    schedule = made(enabled=False)
    assert schedule["next_at"] is None
    enabled = client.patch(f"{SCHEDULES}/{schedule['id']}", json={"enabled": True}).json()
    assert enabled["next_at"] is not None
    disabled = client.patch(f"{SCHEDULES}/{schedule['id']}", json={"enabled": False}).json()
    assert disabled["next_at"] is None


def test_a_change_leaves_the_rest_as_it_is(client, database, made, study):
    schedule = made()
    address = f"{SCHEDULES}/{schedule['id']}"
    assert client.patch(address, json={}).json() == schedule
    renamed = client.patch(address, json={"name": "weekly"}).json()
    assert renamed == schedule | {"name": "weekly"}
    moved = client.patch(address, json={"timezone": "UTC"}).json()
    assert moved["next_at"] != schedule["next_at"]
    assert moved["cron"] == schedule["cron"]
    other = client.patch(address, json={"study": study(seeds=5)}).json()
    assert other["study"]["seeds"] == [0, 1, 2, 3, 4]
    assert other["next_at"] == moved["next_at"]


def test_a_firing_that_is_due_is_not_lost_to_a_new_name(client, database, made):
    schedule = made()
    due(database, schedule["id"], utcnow() - timedelta(seconds=1))
    client.patch(f"{SCHEDULES}/{schedule['id']}", json={"name": "renamed"})
    assert fire(database, utcnow()) == 1


def test_running_now_sends_the_study_and_leaves_the_clock_alone(client, database, made):
    schedule = made(enabled=False)
    firings = [client.post(f"{SCHEDULES}/{schedule['id']}/run") for _ in range(2)]
    assert [answer.status_code for answer in firings] == [201, 201]
    first, second = (answer.json() for answer in firings)
    assert first["manual"]
    assert first["error"] is None
    assert client.get(f"/api/v1/studies/{first['study_id']}").json()["state"] == "queued"
    assert first["study_id"] != second["study_id"]
    listed = client.get(f"{SCHEDULES}/{schedule['id']}/firings").json()
    assert listed == [second, first]
    assert client.get(f"{SCHEDULES}/{schedule['id']}/firings?limit=1").json() == [second]
    assert client.get(f"{SCHEDULES}/{schedule['id']}").json() == schedule


def test_deleting_a_schedule_keeps_its_studies_and_deleting_a_study_its_firing(
    client, database, made
):
    schedule = made()
    address = f"{SCHEDULES}/{schedule['id']}"
    sent = [client.post(f"{address}/run").json()["study_id"] for _ in range(2)]
    client.post(f"/api/v1/studies/{sent[0]}/cancel")
    assert client.delete(f"/api/v1/studies/{sent[0]}").status_code == 204
    listed = client.get(f"{address}/firings").json()
    assert [one["study_id"] for one in listed] == [sent[1], None]
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    assert client.get(f"/api/v1/studies/{sent[1]}").status_code == 200
    assert work.rows(database, FiringRow) == []


def test_the_clock_fires_once_a_due_time_and_misses_become_one(database, made):
    schedule = made()
    first = next_at(database, schedule["id"])
    assert fire(database, first - timedelta(microseconds=1)) == 0
    assert fire(database, first) == 1
    assert fire(database, first) == 0
    assert fire(database, first + timedelta(hours=1)) == 0
    # A week without a scheduler.
    assert fire(database, first + timedelta(days=7, minutes=1)) == 1
    assert next_at(database, schedule["id"]) > first + timedelta(days=7, minutes=1)
    rows = work.rows(database, FiringRow)
    assert len({row.due_at for row in rows}) == len(rows) == 2
    assert not any(row.manual for row in rows)
    assert len(work.rows(database, StudyRow)) == 2


def test_a_clock_that_goes_back_fires_nothing_again(database, made):
    schedule = made()
    first = next_at(database, schedule["id"])
    assert fire(database, first) == 1
    assert fire(database, first - timedelta(hours=2)) == 0
    due(database, schedule["id"], first)  # even if its next time were lost
    assert fire(database, first) == 0
    assert len(work.rows(database, StudyRow)) == 1


def test_a_disabled_schedule_does_not_fire(client, database, made):
    schedule = made()
    first = next_at(database, schedule["id"])
    client.patch(f"{SCHEDULES}/{schedule['id']}", json={"enabled": False})
    assert fire(database, first + timedelta(days=9)) == 0


def test_schedulers_at_once_fire_once(database, made):
    schedules = [made(name=str(n)) for n in range(3)]
    now = max(next_at(database, one["id"]) for one in schedules)
    url = database.url.render_as_string(hide_password=False)
    several = [Database(url) for _ in range(4)]
    together = threading.Barrier(4)

    def run(one):
        together.wait()
        return fire(one, now)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(run, several)) == 3
    for one in several:
        one.close()
    assert len(work.rows(database, FiringRow)) == len(work.rows(database, StudyRow)) == 3


def test_what_has_left_the_catalogue_is_said_in_the_firing(database, client, made, settings):
    broken, sound = made(name="broken"), made(name="sound")
    gone = broken["study"] | {"optimizers": [{"name": "gone", "hyperparameters": {}}]}
    past = utcnow() - timedelta(minutes=1)
    with database.write() as session:
        session.get(ScheduleRow, broken["id"]).study = gone
        for one in (broken, sound):
            session.get(ScheduleRow, one["id"]).next_at = past
    assert scheduler.tick(database, settings) == 2
    assert scheduler.tick(database, settings) == 0
    (firing,) = client.get(f"{SCHEDULES}/{broken['id']}/firings").json()
    assert "no optimizer 'gone'" in firing["error"]
    assert firing["study_id"] is None
    (firing,) = client.get(f"{SCHEDULES}/{sound['id']}/firings").json()
    assert firing["study_id"] is not None
    assert client.get(SCHEDULES).status_code == 200


def test_a_study_that_has_become_too_large_is_said_in_the_firing(database, made):
    schedule = made()
    assert fire(database, next_at(database, schedule["id"]), most=15) == 1
    (row,) = work.rows(database, FiringRow)
    assert "16 trials" in row.error
    assert work.rows(database, StudyRow) == []


def test_the_scheduler_process_fires_and_ends_and_begins_again(database, made, settings):
    schedule = made()
    for count in (1, 2):
        due(database, schedule["id"], utcnow() - timedelta(days=3 - count))
        stop = threading.Event()
        thread = threading.Thread(target=scheduler.run, args=(settings, stop))
        thread.start()
        try:
            wait_until(lambda n=count: len(work.rows(database, FiringRow)) == n)
        finally:
            stop.set()
            thread.join(PATIENCE)
        assert not thread.is_alive()
        assert len(work.rows(database, FiringRow)) == count
