"""Real processes, killed in mid-study: nothing is lost, and nothing is there twice."""

import os
import signal

import psutil
import pytest
from sqlalchemy import func, select

from service.db.tables.studies import CurveRow, StudyTrialRow, TrialRow
from service.studies.model import StudyState
from tests.faults.patient import PatientTask, check_equal, stored
from tests.live import ONE_WORKER, serving, wait_until

STUDY = {
    "task": "patient",
    "optimizers": ["adamw", "adam-lpwd"],
    "learning_rates": [0.001, 0.003, 0.01, 0.03],
    "weight_decays": [0, 0.01, 0.1, 1],
    "seeds": 2,
    "budget": {"epochs": 40},
}
TRIALS = 64
SMALL_PACKS = {"LPWD_PACK_SIZE": "8", "LPWD_LEASE_SECONDS": "2", **ONE_WORKER}


@pytest.fixture
def task(tmp_path):
    return PatientTask(tmp_path / "task", pace=0.05)


@pytest.fixture
def live(task, tmp_path):
    with serving(tmp_path, PYTHONPATH=task.path, **SMALL_PACKS) as live:
        yield live


def submit(live):
    with live.client() as client:
        return client.submit(STUDY).study.id


def look(live, study_id):
    with live.client() as client:
        return client.study(study_id)


def half_way(live, study_id):
    """Wait until some trials are finished and others are being trained."""

    def found():
        study = look(live, study_id)
        assert not study.state.final, "the study was over too soon to disturb it"
        return study.finished >= 8 and study.running > 0

    wait_until(found)


def finish(live, study_id, task):
    task.pace(0)
    wait_until(lambda: look(live, study_id).state.final)
    assert look(live, study_id).state is StudyState.DONE
    check_complete(live)
    check_equal(stored(live.database()), task.undisturbed(STUDY))


def check_complete(live):
    """Every trial there once, done, with all of its curve."""
    database = live.database()
    with database.read() as session:
        trials = session.scalars(select(TrialRow)).all()
        assert len(trials) == TRIALS
        assert {trial.state for trial in trials} == {"done"}
        assert session.scalar(select(func.count()).select_from(StudyTrialRow)) == TRIALS
        curves = session.scalars(select(CurveRow)).all()
        assert len(curves) == TRIALS
        assert {curve.epochs for curve in curves} == {STUDY["budget"]["epochs"]}
    database.close()


def test_killed_runner_and_killed_worker(live, task):
    study_id = submit(live)
    half_way(live, study_id)
    before = look(live, study_id).finished
    live.found(r"service runner").kill()
    assert look(live, study_id).finished >= before
    wait_until(lambda: look(live, study_id).finished > before)
    live.found(r"^ray::Trainer").kill()
    finish(live, study_id, task)


def test_it_goes_on_after_a_stop_and_a_killed_supervisor_leaves_nothing_running(live, task):
    study_id = submit(live)
    half_way(live, study_id)
    everyone = live.processes()
    assert live.stop(signal.SIGINT) == 0
    wait_until(lambda: not any(map(running, everyone)))
    live.start()
    assert look(live, study_id).finished >= 8
    finish(live, study_id, task)
    with live.client() as client:
        again = client.submit(STUDY)
    assert (again.known, again.missing) == (TRIALS, 0)
    assert again.study.state is StudyState.DONE
    task.pace(0.05)
    with live.client() as client:
        more = client.submit({**STUDY, "seeds": 4})
    assert (more.trials, more.known, more.missing) == (2 * TRIALS, TRIALS, TRIALS)
    wait_until(lambda: look(live, more.study.id).running)
    everyone = live.processes()
    os.kill(live.process.pid, signal.SIGKILL)
    live.process.wait()
    wait_until(lambda: not any(map(running, everyone)))


def running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
