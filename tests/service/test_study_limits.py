"""How much a study may take, and how many runners it may cost."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from service.db import utcnow
from service.db.tables.processes import RunnerRow
from service.db.tables.studies import StudyRow, TrialRow
from service.queue import claim
from service.queue.lease import Lease
from service.queue.results import lost, record
from service.queue.usage import Usage
from service.runners.model import RunnerState
from service.studies import repository
from service.studies.model import StudyState
from tests.service import work


def study_row(database, study_id):
    with database.read() as session:
        return repository.row(session, study_id)


def limit(database, study_id, **values):
    with database.write() as session:
        session.execute(update(StudyRow).where(StudyRow.id == study_id).values(**values))


@pytest.fixture
def clocks(monkeypatch):
    """A monotonic clock that the test moves, as leases read it."""
    moment = [1000.0]
    monkeypatch.setattr("service.queue.lease.time.monotonic", lambda: moment[0])

    def move(seconds):
        moment[0] += seconds

    return move


def test_time_is_counted_across_leases(database, sent, clocks):
    study_id = sent()
    held = work.lease(database)
    clocks(5)
    record(database, held, trained=7.5)
    clocks(2)
    with database.write() as session:
        held.give_back(session)
    clocks(1000)  # in the queue
    held = work.lease(database)
    clocks(3)
    record(database, held, trained=1.5)
    row = study_row(database, study_id)
    assert row.seconds_running == pytest.approx(10)
    assert row.seconds_trained == pytest.approx(9)
    assert held.usage == Usage(row.seconds_running, row.seconds_trained)


def test_a_lease_tells_when_a_limit_is_reached(database, sent, clocks):
    study_id = sent()
    limit(database, study_id, time_limit=10)
    held = work.lease(database)
    clocks(9)
    record(database, held)
    assert held.usage.exceeded is None
    clocks(2)
    record(database, held)
    assert "10 s of running" in held.usage.exceeded
    assert "limits.running_seconds" in held.usage.exceeded
    limit(database, study_id, time_limit=100, training_limit=20)
    record(database, held, trained=19)
    assert held.usage.exceeded is None
    record(database, held, trained=1)
    assert "20 s of training, all workers together" in held.usage.exceeded


def fall_silent(database, study_id):
    with database.write() as session:
        session.add(
            RunnerRow(
                id="r1",
                host="anvil",
                pid=77,
                devices=[],
                state=RunnerState.TRAINING,
                study_id=study_id,
                started_at=utcnow(),
                seen_at=utcnow(),
            )
        )
    work.silence(database, study_id)


def test_a_study_that_costs_every_runner_is_put_aside(database, sent):
    study_id, other = sent(seeds=[0]), sent(seeds=[1])
    for losses in (0, 1, 2):
        assert work.lease(database).study_id == study_id
        assert study_row(database, study_id).losses == losses
        fall_silent(database, study_id) if losses == 0 else work.silence(database, study_id)
    assert work.lease(database).study_id == other  # others have their turn at once
    row = study_row(database, study_id)
    assert (row.state, row.lease_token, row.losses) == (StudyState.FAILED, None, 0)
    assert row.finished_at is not None
    assert row.error.startswith(
        "given up after 3 runners in a row fell silent with it and got nothing done; "
        "the last: the runner on anvil (process 77) fell silent, its lease ended 20"
    )
    assert f"POST /api/v1/studies/{study_id}/retry" in row.error
    assert row.last_loss in row.error


def test_what_a_runner_gets_done_forgives_those_lost_before(database, sent):
    study_id = sent()
    for _ in range(5):
        held = work.lease(database)
        key = work.to_do(database, study_id)[0]
        work.take(database, held, [key])
        record(database, held, results=[work.result(key)])
        work.silence(database, study_id)
    work.lease(database)
    work.silence(database, study_id)
    held = work.lease(database)
    assert study_row(database, study_id).losses == 2
    record(database, held, kept=True)  # a checkpoint is something, too
    assert study_row(database, study_id).losses == 0


def test_progress_that_dies_with_its_runner_forgives_nothing(database, sent):
    study_id = sent()
    for _ in range(3):
        held = work.lease(database)
        key = work.to_do(database, study_id)[0]
        work.take(database, held, [key])
        record(database, held, progress={key: 1})
        work.silence(database, study_id)
    assert claim(database, seconds=9, device="x") is None
    assert study_row(database, study_id).state is StudyState.FAILED


def test_a_runner_that_puts_a_study_back_is_no_loss(database, sent):
    study_id = sent()
    for _ in range(5):
        held = work.lease(database)
        with database.write() as session:
            held.give_back(session)
    assert study_row(database, study_id).losses == 0


def test_a_lost_cluster_counts_as_a_lost_runner(database, sent):
    study_id = sent()
    for losses in (1, 2):
        held = work.lease(database)
        work.take(database, held, work.to_do(database, study_id))
        with database.write() as session:
            assert held.lose(session, "Ray is gone", 3) is None
        row = study_row(database, study_id)
        assert (row.state, row.losses, row.last_loss) == (StudyState.QUEUED, losses, "Ray is gone")
        assert len(work.to_do(database, study_id)) == 16
    held = work.lease(database)
    with database.write() as session:
        assert held.lose(session, "Ray is gone", 3) is StudyState.FAILED
    row = study_row(database, study_id)
    assert "given up after 3 attempts in a row" in row.error
    assert "the last: Ray is gone" in row.error
    assert row.losses == 0


def test_a_trial_keeps_why_its_worker_died(database, sent):
    study_id = sent()
    held = work.lease(database)
    key = work.to_do(database, study_id)[0]
    work.take(database, held, [key])
    lost(database, held, [key], "killed", 3)
    with database.read() as session:
        trial = session.get_one(TrialRow, key)
    assert (trial.attempts, trial.last_loss, trial.reason) == (1, "killed", None)


def test_a_study_found_abandoned_is_taken_before_its_lease_ends(database, sent):
    """After a leap of the clock backward it would seem to last for ever."""
    study_id = sent()
    first = work.lease(database)
    work.expire(database, study_id, timedelta(days=3650))
    seen = study_row(database, study_id).lease_expires_at
    assert claim(database, seconds=9, device="x") is None
    early = {study_id: seen - timedelta(seconds=1)}  # it was heard of since
    assert claim(database, seconds=9, device="x", silent=early) is None
    second = claim(database, seconds=9, device="x", silent={study_id: seen})
    assert isinstance(second, Lease)
    assert second.token != first.token
    assert study_row(database, study_id).losses == 1
