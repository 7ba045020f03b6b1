"""A search whose processes are killed: it goes on from its points, and trains none twice."""

import signal

import pytest
from sqlalchemy import select

from service.db.tables.searches import PointRow
from service.db.tables.studies import CurveRow, StudyRow, StudyTrialRow, TrialRow
from service.studies.model import StudyState
from tests.faults.patient import PatientTask
from tests.faults.test_killed_processes import running
from tests.live import ONE_WORKER, serving, wait_until
from workers.search.contracts import PointState

POINTS, SEEDS = 5, 2
SEARCH = {
    "mode": "search",
    "task": "patient",
    "optimizers": ["adamw", "adam-lpwd"],
    "space": {"learning_rate": {"low": 1e-3, "high": 1e-1}},
    "seeds": SEEDS,
    "budget": {"epochs": 100, "points": POINTS},
    "asha": {"grace_epochs": 50},
}
UNDER_WAY, HELD = 0.02, 1.0
"""Seconds of an epoch: while points are to end, and while none is to."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("killed")


@pytest.fixture(scope="module")
def task(folder):
    return PatientTask(folder / "task", UNDER_WAY)


@pytest.fixture(scope="module")
def live(task, folder):
    settings = {"PYTHONPATH": task.path, "LPWD_LEASE_SECONDS": "2", **ONE_WORKER}
    with serving(folder, **settings) as live:
        yield live


def submit(live, **changes):
    with live.client() as client:
        return client.submit(SEARCH | changes).study.id


def look(live, study_id):
    with live.client() as client:
        return client.study(study_id)


def points(live, study_id):
    """All points of a search, by label and number."""
    database = live.database()
    with database.read() as session:
        found = session.scalars(select(PointRow).where(PointRow.study_id == study_id)).all()
    database.close()
    return {(point.optimizer, point.number): point for point in found}


def ended(live, study_id):
    found = points(live, study_id).items()
    return {key: one for key, one in found if one.state is not PointState.RUNNING}


def another_ends(live, task, study_id):
    """Wait until one more point has ended, and another is held in training; returns the ended."""
    before = len(ended(live, study_id))

    def found():
        study = look(live, study_id)
        assert not study.state.final, "the search was over too soon to disturb it"
        return study.search.running > 0 and len(ended(live, study_id)) > before

    task.pace(UNDER_WAY)
    wait_until(found)
    task.pace(HELD)
    return ended(live, study_id)


def the_search(live, but=None):
    """Wait for the process that runs Ray Tune, the runner's child of that kind, and return it.

    What the database says of points tells nothing of it: it may have died since.
    """

    def search():
        runner = live.child(r"service runner")
        found = runner and live.child(r"multiprocessing\.spawn import spawn_main", of=runner)
        return found if found != but else None

    return wait_until(search)


def check(live, study_id, *before):
    """All points there once, those of before as they were, and a trial for every full one."""
    assert look(live, study_id).state is StudyState.DONE
    after = points(live, study_id)
    expected = {(o, n) for o in SEARCH["optimizers"] for n in range(POINTS)}
    assert set(after) == expected
    for earlier in before:
        for key, point in earlier.items():
            assert after[key].finished_at == point.finished_at
            assert after[key].value == point.value
    full = [one for one in after.values() if one.state in (PointState.DONE, PointState.DIVERGED)]
    database = live.database()
    with database.read() as session:
        for table in (TrialRow, CurveRow, StudyTrialRow):
            assert len(session.scalars(select(table)).all()) == SEEDS * len(full)
    database.close()


def test_killed_runner_search_and_worker(live, task):
    study_id = submit(live)
    first = another_ends(live, task, study_id)
    search = the_search(live)
    live.found(r"service runner").kill()
    wait_until(lambda: not running(search))
    search = the_search(live, but=search)
    second = another_ends(live, task, study_id)
    search.kill()
    the_search(live, but=search)
    third = another_ends(live, task, study_id)
    live.found(r"^ray::.*Train").kill()
    wait_until(lambda: "died; beginning it again" in live.log.read_text())
    task.pace(0)
    wait_until(lambda: look(live, study_id).state.final)
    check(live, study_id, first, second, third)
    said = live.log.read_text()
    assert "killed by SIGKILL" in said
    assert "Traceback" not in said


def test_a_cancelled_search_ends_at_once_and_so_does_a_stopped_one(live, task):
    task.pace(UNDER_WAY)
    endless = {"epochs": 10_000, "points": POINTS}
    study_id = submit(live, budget=endless)
    wait_until(lambda: points(live, study_id))
    search = the_search(live)
    with live.client() as client:
        assert client.cancel(study_id).state is StudyState.CANCELLED
    wait_until(lambda: not running(search))
    assert points(live, study_id) == {}
    study_id = submit(live, budget=endless)  # for which the runner and its devices are free
    wait_until(lambda: points(live, study_id) and live.child(r"^ray::.*Train"))
    everyone = live.processes()
    assert live.stop(signal.SIGINT) == 0
    wait_until(lambda: not any(map(running, everyone)))
    assert points(live, study_id) == {}
    database = live.database()
    with database.read() as session:
        assert session.get_one(StudyRow, study_id).state is StudyState.QUEUED
    database.close()
