"""`/metrics`: what the API saw, and what the database tells of everyone else."""

import re

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete, insert

from service.db import Database, utcnow
from service.db.counters import LEASE_LOSSES, Heartbeat, count
from service.db.tables.processes import RunnerRow
from service.db.tables.studies import CurveRow, StudyTrialRow, TrialRow
from service.metrics import collected
from service.queue.results import give_up, lost, put_back
from service.runners.model import DeviceUse, RunnerState
from service.trials.model import ENDED
from tests.live import PATIENCE
from tests.service import work


def scraped(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_the_database_tells_of_queue_trials_runners_and_scheduler(
    client, database, sent, monkeypatch
):
    monkeypatch.setattr(collected, "FRESH", PATIENCE)
    done = sent()
    work.train(database, done, lambda trial: None if trial.learning_rate > 0.005 else 0.9)
    sent(seeds=[7])
    with database.write() as session:
        for name, state, trials in (
            ("a", RunnerState.TRAINING, [2, None]),
            ("b", RunnerState.IDLE, [None]),
            ("c", RunnerState.TRAINING, [None]),
        ):
            session.execute(
                insert(RunnerRow).values(
                    id=name,
                    host="here",
                    pid=1,
                    devices=[DeviceUse("cpu", "x", "n", 1, 1, one).to_json() for one in trials],
                    state=state,
                    started_at=utcnow(),
                    seen_at=utcnow(),
                )
            )
        count(session, LEASE_LOSSES)
        count(session, LEASE_LOSSES, by=2)
    Heartbeat(database, "scheduler").beat()
    found = scraped(client)
    assert found["lpwd_database_up",] == 1
    assert found["lpwd_studies", ("state", "queued")] == 1
    assert found["lpwd_studies", ("state", "done")] == 1
    assert found["lpwd_studies", ("state", "failed")] == 0
    assert found["lpwd_trials", ("state", "pending")] == 8
    assert found["lpwd_trials_finished_total", ("state", "done")] == 8
    assert found["lpwd_trials_finished_total", ("state", "diverged")] == 8
    assert 0 <= found["lpwd_queue_oldest_seconds",] < PATIENCE
    assert found["lpwd_runners", ("state", "training")] == 2
    assert found["lpwd_devices", ("state", "idle")] == 1
    # Of a grid's runner the worker that says so; of a search's, which does not say, all.
    assert found["lpwd_devices_busy_ratio",] == 2 / 4
    assert found["lpwd_lease_losses_total",] == 3
    assert found["lpwd_deliveries_waiting",] == 0
    assert found["lpwd_scheduler_silent_seconds",] < PATIENCE
    assert found["lpwd_database_bytes",] > 0
    assert found["process_resident_memory_bytes",] > 0
    assert found["lpwd_event_listeners",] == 0
    # Asked again at once, it is told the same without another look.
    sent(seeds=[8])
    assert scraped(client)["lpwd_studies", ("state", "queued")] == 1


def test_trials_that_ended_are_counted_whatever_becomes_of_them(installed, database, sent):
    first, second = sent(), sent(seeds=[7])
    work.train(database, first)
    held = work.lease(database)
    keys = work.to_do(database, second)
    work.take(database, held, keys)
    give_up(database, held, dict.fromkeys(keys[:3], "it broke"))
    lost(database, held, keys[3:5], "killed", limit=1)
    put_back(database, held, keys[5:])

    def finished(client):
        found = scraped(client)
        return [found["lpwd_trials_finished_total", ("state", one)] for one in ENDED]

    before = finished(installed())
    assert before == [16, 0, 5]
    with database.write() as session:
        session.execute(delete(CurveRow))
        session.execute(delete(StudyTrialRow))
        session.execute(delete(TrialRow))
    assert finished(installed()) == before


def test_requests_are_counted_by_route_and_status(client, study):
    created = client.post("/api/v1/studies", json=study()).json()["study"]["id"]
    for path in (created, created, "nothing"):
        client.get(f"/api/v1/studies/{path}")
    client.request("BREW", "/")
    found = scraped(client)

    def requests(method, route, status):
        labels = (("method", method), ("route", route), ("status", str(status)))
        return found.get(("lpwd_http_request_seconds_count", *labels), 0)

    assert requests("POST", "/api/v1/studies", 201) == 1
    assert requests("GET", "/api/v1/studies/{study_id}", 200) == 2
    assert requests("GET", "/api/v1/studies/{study_id}", 404) == 1
    assert requests("other", "/", 405) == 1
    assert not [key for key in found if created in str(key)], "labels must be few"


def test_metrics_without_a_database_say_so(client, settings):
    client.app.state.database.close()
    broken = Database("postgresql://nobody@127.0.0.1:1/nothing")
    collectors = client.app.state.metrics._registry._collector_to_names
    (collector,) = (one for one in collectors if hasattr(one, "_database"))
    collector._database = broken
    found = scraped(client)
    assert found["lpwd_database_up",] == 0
    assert not any(re.match("lpwd_(studies|trials)", key[0]) for key in found)
    broken.close()
