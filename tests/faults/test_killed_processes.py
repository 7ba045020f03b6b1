"""Real processes, killed in mid-study: nothing is lost, and nothing is there twice."""

import os
import signal

import psutil
import pytest
from sqlalchemy import select

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
OTHER = {**STUDY, "learning_rates": [0.002, 0.004, 0.02, 0.04]}
TRIALS = 64
PACE = 0.05
SMALL_PACKS = {"LPWD_PACK_SIZE": "8", "LPWD_LEASE_SECONDS": "2", **ONE_WORKER}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("killed")


@pytest.fixture(scope="module")
def task(folder):
    return PatientTask(folder / "task", PACE)


@pytest.fixture(scope="module")
def live(task, folder):
    with serving(folder, PYTHONPATH=task.path, **SMALL_PACKS) as live:
        yield live


def submit(live, task, request):
    task.pace(PACE)
    with live.client() as client:
        return client.submit(request).study.id


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


def finish(live, task, study_id, request):
    task.pace(0)
    wait_until(lambda: look(live, study_id).state.final)
    assert look(live, study_id).state is StudyState.DONE
    keys = check_complete(live, study_id)
    found = stored(live.database())
    check_equal({key: found[key] for key in keys}, task.undisturbed(request))


def check_complete(live, study_id):
    """Every trial there once, done, with all of its curve; returns their keys."""
    database = live.database()
    with database.read() as session:
        belong = select(StudyTrialRow.trial_key).where(StudyTrialRow.study_id == study_id)
        keys = session.scalars(belong).all()
        assert len(keys) == len(set(keys)) == TRIALS
        trials = session.scalars(select(TrialRow).where(TrialRow.key.in_(keys))).all()
        assert len(trials) == TRIALS
        assert {trial.state for trial in trials} == {"done"}
        curves = session.scalars(select(CurveRow).where(CurveRow.trial_key.in_(keys))).all()
        assert len(curves) == TRIALS
        assert {curve.epochs for curve in curves} == {STUDY["budget"]["epochs"]}
    database.close()
    return keys


def test_killed_runner_and_killed_worker(live, task):
    study_id = submit(live, task, STUDY)
    half_way(live, study_id)
    before = look(live, study_id).finished
    live.found(r"service runner").kill()
    assert look(live, study_id).finished >= before
    wait_until(lambda: look(live, study_id).finished > before)
    live.found(r"^ray::Trainer").kill()
    finish(live, task, study_id, STUDY)


def test_it_goes_on_after_a_stop_and_a_killed_supervisor_leaves_nothing_running(live, task):
    study_id = submit(live, task, OTHER)
    half_way(live, study_id)
    everyone = live.processes()
    assert live.stop(signal.SIGINT) == 0
    wait_until(lambda: not any(map(running, everyone)))
    live.start()
    assert look(live, study_id).finished >= 8
    finish(live, task, study_id, OTHER)
    with live.client() as client:
        again = client.submit(OTHER)
    assert (again.known, again.missing) == (TRIALS, 0)
    assert again.study.state is StudyState.DONE
    task.pace(PACE)
    with live.client() as client:
        more = client.submit({**OTHER, "seeds": 4})
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
