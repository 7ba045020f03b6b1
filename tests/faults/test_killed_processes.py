"""Real processes, killed in mid-study: nothing is lost, and nothing is there twice."""

import os
import signal

import numpy as np
import psutil
import pytest
from sqlalchemy import func, select

from service.db.tables.studies import CurveRow, StudyRow, StudyTrialRow, TrialRow
from service.studies.model import StudyState
from service.studies.planning import StudySpec
from tests.live import serving, wait_until
from workers.contracts import CURVES, Pack
from workers.training import train

STUDY = {
    "task": "digits-mlp",
    "optimizers": ["adamw", "adam-lpwd"],
    "learning_rates": [0.001, 0.003, 0.01, 0.03],
    "weight_decays": [0, 0.01, 0.1, 1],
    "seeds": 2,
    "budget": {"epochs": 60},
}
TRIALS = 64
SMALL_PACKS = {"LPWD_PACK_SIZE": "8", "LPWD_LEASE_SECONDS": "3"}


@pytest.fixture
def live(tmp_path):
    with serving(tmp_path, **SMALL_PACKS) as live:
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


def finish(live, study_id):
    wait_until(lambda: look(live, study_id).state.final)
    assert look(live, study_id).state is StudyState.DONE
    check_complete(live)


def check_complete(live):
    """Every trial there once, done, with all of its curve, and with the right numbers."""
    database = live.database()
    with database.read() as session:
        trials = session.scalars(select(TrialRow)).all()
        assert len(trials) == TRIALS
        assert {trial.state for trial in trials} == {"done"}
        assert session.scalar(select(func.count()).select_from(StudyTrialRow)) == TRIALS
        curves = session.scalars(select(CurveRow)).all()
        assert len(curves) == TRIALS
        assert {curve.epochs for curve in curves} == {STUDY["budget"]["epochs"]}
        check_numbers(session)
    database.close()


def check_numbers(session):
    """A disturbed study's results are those of an undisturbed one."""
    (study,) = session.scalars(select(StudyRow)).all()
    trial = StudySpec.from_json(study.spec).trials()[37]
    *_, last = train(Pack((trial,)))
    stored = session.get(TrialRow, trial.key)
    assert stored.test_score == pytest.approx(
        float(last.values[0, CURVES.index("test_score")]), abs=0.01
    )
    assert np.isfinite(stored.train_loss)


def test_killed_runner_and_killed_worker(live):
    study_id = submit(live)
    half_way(live, study_id)
    before = look(live, study_id).finished
    live.child(r"service runner").kill()
    wait_until(lambda: live.child(r"service runner"))
    assert look(live, study_id).finished >= before
    wait_until(lambda: look(live, study_id).finished > before)
    wait_until(lambda: live.child(r"ray::Trainer")).kill()
    finish(live, study_id)


def test_stopped_and_started_again_it_goes_on_by_itself(live):
    study_id = submit(live)
    half_way(live, study_id)
    everyone = live.processes()
    assert live.stop(signal.SIGINT) == 0
    wait_until(lambda: not any(map(running, everyone)))
    live.start()
    assert look(live, study_id).finished >= 8
    finish(live, study_id)
    with live.client() as client:
        again = client.submit(STUDY)
    assert (again.known, again.missing) == (TRIALS, 0)
    assert again.study.state is StudyState.DONE
    with live.client() as client:
        more = client.plan({**STUDY, "seeds": 4})
    assert (more.trials, more.known, more.missing) == (2 * TRIALS, TRIALS, TRIALS)


def test_a_killed_supervisor_leaves_nothing_running(live):
    submit(live)
    wait_until(lambda: live.child(r"ray::Trainer"))
    everyone = live.processes()
    os.kill(live.process.pid, signal.SIGKILL)
    live.process.wait()
    wait_until(lambda: not any(map(running, everyone)))


def running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
