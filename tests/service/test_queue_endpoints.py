"""`/queue`, `/runners` and `/devices`, and the page of the queue."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from service.cli.following import progress_line
from service.db import utcnow
from service.db.tables.keys import KeyRow
from service.db.tables.processes import RunnerRow
from service.db.tables.studies import StudyRow
from service.queue import reading
from service.queue.results import record
from service.runners.model import DeviceUse, RunnerState
from service.runners.repository import SILENT, SWEPT, everyone, leave, say, sweep
from service.studies import repository
from service.studies.answers import StudyAnswer
from tests.service import work

CPU = DeviceUse("cpu", "Zen", "anvil", 5, 16 * 2**30)
BUSY = DeviceUse("cpu", "Zen", "anvil", 6, 16 * 2**30, trials=8, epoch=3, epochs=20)


def tell(database, runner_id="r1", state=RunnerState.IDLE, study_id=None, devices=(CPU,)):
    say(
        database,
        runner_id,
        host="anvil",
        pid=77,
        state=state,
        study_id=study_id,
        devices=devices,
    )


def unheard(database, seconds):
    with database.write() as session:
        session.execute(update(RunnerRow).values(seen_at=utcnow() - timedelta(seconds=seconds)))


def queue(client, **parameters):
    answer = client.get("/api/v1/queue", params=parameters)
    assert answer.status_code == 200
    return answer.json()


def test_an_empty_queue(client):
    assert queue(client) == {"running": [], "waiting": [], "waiting_count": 0, "runners": []}
    assert client.get("/api/v1/runners").json() == []
    assert client.get("/api/v1/devices").json() == []
    page = client.get("/queue").text
    assert "No runner is up" in page
    assert "lpwd serve" in page


def test_what_waits_says_why(client, database, sent):
    ids = [sent(seeds=[n]) for n in range(3)]

    def reasons():
        return [one["reason"] for one in queue(client)["waiting"]]

    assert reasons() == [reading.NO_RUNNER] * 3
    tell(database, devices=())
    assert reasons()[:2] == [reading.STARTING, "1 study is before it"]
    assert [one["starts_in"] for one in queue(client)["waiting"]] == [None] * 3
    assert client.get("/api/v1/runners").json()[0]["starting"]
    assert "<td>starting</td>" in client.get("/queue").text
    tell(database)
    assert not client.get("/api/v1/runners").json()[0]["starting"]
    assert reasons() == [
        "it is taken in a moment",
        "1 study is before it",
        "2 studies are before it",
    ]
    assert [one["starts_in"] for one in queue(client)["waiting"]] == [0.0, None, None]
    held = work.lease(database)
    tell(database, state=RunnerState.TRAINING, study_id=ids[0])
    assert reasons()[0] == "every runner is busy: it is the next"
    record(database, held, seconds_left=60)
    assert 55 < queue(client)["waiting"][0]["starts_in"] <= 60
    tell(database, state=RunnerState.DRAINING, study_id=ids[0])
    assert set(reasons()) == {reading.LEAVING}
    unheard(database, SILENT + 1)
    assert set(reasons()) == {reading.NO_RUNNER}


def test_the_order_is_the_one_they_are_taken_in(client, database, sent):
    with database.write() as session:
        session.execute(
            insert(KeyRow),
            [
                {
                    "id": name,
                    "name": name.title(),
                    "hash": name,
                    "role": "admin",
                    "created_at": utcnow(),
                }
                for name in ("ada", "bob")
            ],
        )
    for n in range(9):
        study_id = sent(seeds=[n])
        with database.write() as session:
            session.execute(
                update(StudyRow)
                .where(StudyRow.id == study_id)
                .values(owner_id=("ada", "ada", "bob", None)[n % 4], priority=n // 6)
            )
    told = queue(client)["waiting"]
    assert [one["position"] for one in told] == list(range(1, 10))
    assert {one["owner"] for one in told} == {"Ada", "Bob", None}
    taken = []
    for _ in range(9):
        held = work.lease(database)
        taken.append(held.study_id)
        with database.write() as session:
            held.fail(session, "enough")
    assert [one["study_id"] for one in told] == taken


def test_few_are_shown_and_all_are_counted(client, sent):
    for n in range(3):
        sent(seeds=[n])
    told = queue(client, limit=2)
    assert (len(told["waiting"]), told["waiting_count"]) == (2, 3)
    assert client.get("/api/v1/queue", params={"limit": 0}).status_code == 422


def test_what_is_trained_and_where(client, database, sent):
    study_id = sent()
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys)
    record(database, held, progress=dict.fromkeys(keys, 1), seconds_left=120)
    tell(database, state=RunnerState.TRAINING, study_id=study_id, devices=(CPU, BUSY))
    (running,) = queue(client)["running"]
    assert (running["study_id"], running["position"], running["progress"]) == (study_id, None, 0.5)
    assert 110 < running["eta_seconds"] <= 120
    (runner,) = client.get("/api/v1/runners").json()
    assert (runner["host"], runner["pid"], runner["state"]) == ("anvil", 77, "training")
    assert (runner["study_id"], runner["up"]) == (study_id, True)
    idle, busy = client.get("/api/v1/devices").json()
    assert (idle["kind"], idle["memory"], idle["trials"]) == ("cpu", 16 * 2**30, None)
    assert (busy["trials"], busy["epoch"], busy["epochs"]) == (8, 3, 20)
    assert (busy["runner_id"], busy["study_id"]) == ("r1", study_id)
    page = client.get("/queue").text
    assert "8 trials, epoch 3 of 20" in page
    assert f"/studies/{study_id}" in page


def test_what_measures_says_so(client, database, sent):
    study_id = sent()
    work.lease(database)
    measuring = replace(CPU, measuring=True)
    tell(database, state=RunnerState.TRAINING, study_id=study_id, devices=(measuring, CPU))
    address, words = f"/api/v1/studies/{study_id}", "measuring how many trials train quickest"
    study = client.get(address).json()
    assert (study["state"], study["activity"]) == ("running", f"{words} together")
    assert words in progress_line(StudyAnswer.model_validate(study))
    assert [one["measuring"] for one in client.get("/api/v1/devices").json()] == [True, False]
    for page in (f"/studies/{study_id}", "/queue"):
        assert words in client.get(page).text
    unheard(database, SILENT + 1)
    assert client.get(address).json()["activity"] is None


def test_a_study_whose_runner_fell_silent_waits(client, database, sent):
    study_id = sent()
    work.lease(database)
    tell(database)
    work.silence(database, study_id)
    (waiting,) = queue(client)["waiting"]
    assert (waiting["state"], waiting["reason"]) == ("running", reading.FELL_SILENT)


def test_a_silent_runner_is_told_from_one_that_is_up_and_then_forgotten(client, database):
    tell(database)
    tell(database, "r2")
    unheard(database, SILENT + 1)
    tell(database, "r2")
    assert {r["id"]: r["up"] for r in client.get("/api/v1/runners").json()} == {
        "r1": False,
        "r2": True,
    }
    assert {one["runner_id"] for one in client.get("/api/v1/devices").json()} == {"r2"}
    assert "silent" in client.get("/queue").text
    assert sweep(database) == 0
    unheard(database, SWEPT + 1)
    tell(database, "r2")
    assert sweep(database) == 1
    leave(database, "r2")
    assert client.get("/api/v1/runners").json() == []


def test_a_runner_of_a_study_that_was_deleted_is_still_there(database, sent):
    study_id = sent()
    work.lease(database)
    tell(database, state=RunnerState.TRAINING, study_id=study_id)
    with database.write() as session:
        repository.cancel(session, study_id)
        repository.remove(session, study_id)
    tell(database, state=RunnerState.TRAINING, study_id=study_id)
    with database.read() as session:
        (runner,) = everyone(session)
    assert (runner.study_id, runner.state) == (None, RunnerState.TRAINING)


@pytest.mark.parametrize("path", ["/queue", "/fragments/queue"])
def test_the_page_shows_a_full_queue(client, database, sent, path):
    for n in range(3):
        sent(seeds=[n], name=f"<study {n}>")
    tell(database)
    page = client.get(path).text
    assert "&lt;study 0&gt;" in page
    assert "No runner is up" not in page
    assert "2 studies are before it" in page
