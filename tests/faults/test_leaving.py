"""Studies that are given back in mid-training: to end, for a more urgent one, at a limit."""

import os
import signal
import threading

import httpx
import pytest
from sqlalchemy import select

from service.db.tables.processes import RunnerRow
from service.db.tables.studies import StudyRow, TrialRow
from service.studies.model import StudyState
from tests.faults.patient import PatientTask
from tests.faults.test_killed_processes import running
from tests.live import ONE_WORKER, PATIENCE, serving, wait_until

LONG = {
    "task": "patient",
    "optimizers": ["adamw"],
    "learning_rates": [0.001, 0.003, 0.01, 0.03],
    "weight_decays": [0, 0.01, 0.1, 1],
    "seeds": 1,
    "budget": {"epochs": 8000},
}
SHORT = {**LONG, "learning_rates": [0.002], "budget": {"epochs": 3}}
SETTINGS = {
    "LPWD_PACK_SIZE": "8",  # two packs, one for each of two workers
    "LPWD_CHECKPOINT_SECONDS": "10000",  # only when one is asked for
    "LPWD_LEASE_SECONDS": "3",
}


@pytest.fixture
def live(tmp_path):
    path = PatientTask(tmp_path / "task", pace=0.05).path
    with serving(tmp_path, PYTHONPATH=path, **SETTINGS) as live:
        yield live


def said(live, what):
    return live.log.read_text().count(what)


def resumed(live):
    return said(live, "trials goes on after epoch")


def under_way(client, study_id):
    wait_until(lambda: client.study(study_id).progress > 0)


def rows(live, table):
    database = live.database()
    with database.read() as session:
        found = session.scalars(select(table)).all()
    database.close()
    return found


def row(live, study_id):
    return next(one for one in rows(live, StudyRow) if one.id == study_id)


def test_a_study_makes_way_and_goes_on_and_is_saved_when_the_service_ends(live):
    with live.client() as client:
        study_id = client.submit(LONG).study.id
        under_way(client, study_id)
        queue = httpx.get(f"{live.url}/api/v1/queue").json()
        assert [one["study_id"] for one in queue["running"]] == [study_id]
        assert queue["runners"][0]["state"] == "training"
        wait_until(lambda: busy(live) == [8, 8])
        assert row(live, study_id).device.startswith("2 × cpu")  # the second came up later
        urgent = client.submit({**SHORT, "priority": 5}).study.id
        wait_until(lambda: client.study(urgent).state is StudyState.DONE)
        wait_until(lambda: resumed(live) == 2)
        assert said(live, "makes way for another") == 1
    before = resumed(live)
    kept = progress(live, study_id)
    stream = Stream(live, study_id)
    assert live.stop(signal.SIGTERM) == 0
    assert stream.ended_well()
    assert len(list(live.folder.rglob("checkpoints/*/*.npz"))) == 2
    assert row(live, study_id).state is StudyState.QUEUED
    assert row(live, study_id).losses == 0
    assert rows(live, RunnerRow) == []
    live.start()
    wait_until(lambda: resumed(live) == before + 2)
    wait_until(lambda: progress(live, study_id) >= kept)
    limited(live, study_id)


def busy(live):
    found = httpx.get(f"{live.url}/api/v1/devices").json()
    return [one["trials"] for one in found]


def progress(live, study_id):
    with live.client() as client:
        return client.study(study_id).progress


def limited(live, study_id):
    """A limit ends the study, and a higher one has it go on."""
    address = f"{live.url}/api/v1/studies/{study_id}"
    httpx.patch(address, json={"limits": {"training_seconds": 1}}).raise_for_status()
    with live.client() as client:
        wait_until(lambda: client.study(study_id).state is StudyState.FAILED)
        study = client.study(study_id)
    assert "it reached its limit of 1 s of training, all workers together" in study.error
    assert row(live, study_id).seconds_trained > 1
    assert httpx.post(f"{address}/retry").status_code == 409
    httpx.patch(address, json={"limits": {}}).raise_for_status()
    httpx.post(f"{address}/retry").raise_for_status()
    with live.client() as client:
        wait_until(lambda: client.study(study_id).state is StudyState.RUNNING)
        client.cancel(study_id)


class Stream:
    """A listener to a study's events."""

    def __init__(self, live, study_id):
        self._address = f"{live.url}/api/v1/studies/{study_id}/events"
        self._heard = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        assert self._heard.wait(PATIENCE)

    def _listen(self):
        try:
            with httpx.stream("GET", self._address, timeout=PATIENCE) as answer:
                for _ in answer.iter_lines():
                    self._heard.set()
        except httpx.HTTPError as error:
            self._error = error

    def ended_well(self):
        self._thread.join(PATIENCE)
        return not self._thread.is_alive() and self._error is None


def test_a_stopped_runner_wakes_up_too_late_and_writes_nothing(tmp_path):
    """By then another has taken the study over and trained it, and so has its own worker."""
    task = PatientTask(tmp_path / "task", pace=0.05)
    settings = {**SETTINGS, **ONE_WORKER, "PYTHONPATH": task.path}
    with serving(tmp_path, **settings) as live, live.client() as client:
        study_id = client.submit({**SHORT, "budget": {"epochs": 400}}).study.id
        under_way(client, study_id)
        runner = live.found(r"service runner")
        runner.suspend()
        task.pace(0)
        with live.beside("runner", tmp_path / "another.log"):
            wait_until(lambda: client.study(study_id).state is StudyState.DONE)
        assert "fell silent" in row(live, study_id).last_loss
        written = results(live)
        assert len(written) == 4
        runner.resume()
        wait_until(lambda: said(live, "it was cancelled, or taken over"))
        assert results(live) == written
        assert row(live, study_id).state is StudyState.DONE
        # And the runner goes on with others.
        other = client.submit({**SHORT, "learning_rates": [0.3]}).study.id
        wait_until(lambda: client.study(other).state is StudyState.DONE)
        end_at_once(live)


def results(live):
    """When and how every trial ended."""
    return {one.key: (one.finished_at, one.validation_score) for one in rows(live, TrialRow)}


def end_at_once(live):
    """Ask a service twice to end."""
    everyone = live.processes()
    live.found(r"service runner").suspend()  # it would be waited for
    live.process.send_signal(signal.SIGTERM)
    wait_until(lambda: said(live, "again ends at once"))  # of two that come together one is heard
    os.kill(live.process.pid, signal.SIGTERM)
    assert live.process.wait(PATIENCE) != 0
    wait_until(lambda: not any(map(running, everyone)))
