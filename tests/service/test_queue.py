"""The queue: who may train what, and write it; on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import update

from service.db import Database, utcnow
from service.db.tables.studies import CurveRow, StudyRow, TrialRow
from service.errors import LeaseLostError
from service.queue import claim
from service.queue.results import claim_trials, give_up, lost, record
from service.studies import queries, repository
from service.studies.model import StudyState
from service.trials import curves
from service.trials.model import TrialState
from tests.service import work


def state(database, study_id):
    with database.read() as session:
        return queries.summary(session, study_id).state


def study_row(database, study_id):
    with database.read() as session:
        return repository.row(session, study_id)


def trial(database, key):
    with database.read() as session:
        return session.get(TrialRow, key)


def test_an_empty_queue_has_nothing_to_claim(database):
    assert claim(database, seconds=9, device="x") is None


def test_the_oldest_study_is_claimed_first(database, sent):
    ids = [sent(seeds=[n]) for n in range(3)]
    assert [work.lease(database).study_id for _ in ids] == ids
    assert claim(database, seconds=9, device="x") is None


def test_a_claim_says_who_trains_where_and_since_when(database, sent):
    study_id = sent()
    held = work.lease(database, seconds=60)
    row = study_row(database, study_id)
    assert (row.state, row.lease_token, row.device) == ("running", held.token, "1 × cpu (test)")
    assert row.started_at <= utcnow() < row.lease_expires_at <= utcnow() + timedelta(seconds=60)


def test_of_many_runners_at_once_each_study_goes_to_one(database, sent):
    ids = {sent(seeds=[n]) for n in range(6)}
    runners = [Database(database.url.render_as_string(hide_password=False)) for _ in range(4)]
    with ThreadPoolExecutor(12) as pool:
        claims = list(pool.map(lambda n: claim(runners[n % 4], seconds=99, device="x"), range(24)))
    for runner in runners:
        runner.close()
    got = [held.study_id for held in claims if held is not None]
    # On PostgreSQL a runner may find the head of the queue locked and come away with nothing.
    while (held := claim(database, seconds=99, device="x")) is not None:
        got.append(held.study_id)
    assert sorted(got) == sorted(ids)


def test_of_many_runners_at_once_each_trial_goes_to_one(database, sent):
    """Two studies of the same trials, in other orders."""
    studies = [sent(), sent(optimizers=["adam-lpwd", "adamw"], name="other")]
    leases = [work.lease(database) for _ in studies]
    keys = [work.to_do(database, study_id) for study_id in studies]
    with ThreadPoolExecutor(8) as pool:
        taken = list(
            pool.map(
                lambda n: work.take(database, leases[n % 2], keys[n % 2][n // 2 :: 2]), range(4)
            )
        )
    assert sum(map(len, taken)) == 16
    assert set().union(*taken) == set(keys[0])


def test_a_silent_runner_loses_its_study_and_may_write_nothing_more(database, sent):
    study_id = sent()
    first = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, first, keys[:8])
    assert claim(database, seconds=9, device="x") is None
    work.silence(database, study_id)
    started = study_row(database, study_id).started_at
    second = work.lease(database)
    assert (second.study_id, second.token == first.token) == (study_id, False)
    assert study_row(database, study_id).started_at == started
    assert work.to_do(database, study_id) == keys  # what was begun is begun anew
    before = work.rows(database, TrialRow)
    for attempt in (
        lambda: record(database, first, results=[work.result(keys[0])]),
        lambda: record(database, first, progress={keys[0]: 1}),
        lambda: work.take(database, first, keys),
        lambda: lost(database, first, keys, "gone", 1),
        lambda: give_up(database, first, {keys[0]: "no"}),
    ):
        with pytest.raises(LeaseLostError, match=study_id):
            attempt()
    for ending in (first.finish, first.give_back, lambda s: first.fail(s, "no")):
        with pytest.raises(LeaseLostError), database.write() as session:
            ending(session)
    assert [vars(row) | {"_sa_instance_state": 0} for row in work.rows(database, TrialRow)] == [
        vars(row) | {"_sa_instance_state": 0} for row in before
    ]
    assert work.rows(database, CurveRow) == []
    assert study_row(database, study_id).lease_token == second.token


def test_what_was_tried_with_a_lost_lease_is_rolled_back_whole(database, sent):
    study_id = sent()
    held = work.lease(database)
    with database.write() as session:
        repository.cancel(session, study_id)

    def overwrite():
        with database.write() as session:
            session.execute(update(StudyRow).values(name="overwritten"))
            held.renew(session)

    with pytest.raises(LeaseLostError):
        overwrite()
    assert study_row(database, study_id).name != "overwritten"


def test_every_write_extends_the_lease(database, sent):
    study_id = sent()
    held = work.lease(database, seconds=1000)
    for write in (
        lambda: work.take(database, held, work.to_do(database, study_id)[:1]),
        lambda: record(database, held),
    ):
        work.expire(database, study_id, timedelta(seconds=1))
        write()
        left = study_row(database, study_id).lease_expires_at - utcnow()
        assert left > timedelta(seconds=900)


def test_a_late_word_holds_the_study_as_long_as_nobody_else_took_it(database, sent):
    study_id = sent()
    held = work.lease(database)
    work.silence(database, study_id)
    record(database, held)
    assert claim(database, seconds=9, device="x") is None


@pytest.mark.parametrize("left", [timedelta(days=-3650), timedelta(days=3650)])
def test_a_leap_of_the_clock_costs_no_result(database, sent, left):
    """Forward, the lease looks expired; backward, it seems to last for long."""
    study_id = sent()
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys)
    record(database, held, results=[work.result(keys[0])])
    work.expire(database, study_id, left)
    other = claim(database, seconds=1000, device="x")
    assert (other is not None) == (left < timedelta(0))
    if other is None:
        record(database, held, results=[work.result(key) for key in keys[1:]])
    else:
        with pytest.raises(LeaseLostError):
            record(database, held, results=[work.result(key) for key in keys[1:]])
        held = other
        work.take(database, held, work.to_do(database, study_id))
        record(database, held, results=[work.result(key) for key in keys[1:]])
    with database.write() as session:
        assert held.finish(session) is StudyState.DONE


def test_a_study_given_back_is_claimed_again_before_younger_ones(database, sent):
    first, _ = sent(seeds=[0]), sent(seeds=[1])
    held = work.lease(database)
    keys = work.to_do(database, first)
    work.take(database, held, keys[:3])
    with database.write() as session:
        held.give_back(session)
    assert state(database, first) is StudyState.QUEUED
    assert work.to_do(database, first) == keys
    assert work.lease(database).study_id == first


def test_cancelling_takes_the_study_from_its_runner(database, sent):
    study_id = sent()
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys[:2])
    record(database, held, results=[work.result(keys[0])])
    with database.write() as session:
        repository.cancel(session, study_id)
    with pytest.raises(LeaseLostError):
        record(database, held, results=[work.result(keys[1])])
    assert work.states(database, study_id)[keys[0]] is TrialState.DONE
    assert len(work.to_do(database, study_id)) == 15
    assert claim(database, seconds=9, device="x") is None


def test_a_deleted_study_is_nobodys(database, sent):
    study_id = sent()
    held = work.lease(database)
    with database.write() as session:
        repository.cancel(session, study_id)
        repository.remove(session, study_id)
    with pytest.raises(LeaseLostError):
        record(database, held)


def test_shared_trials_are_trained_once(database, sent):
    first, second = sent(seeds=[0, 1]), sent(seeds=[1, 2])
    shared = set(work.to_do(database, first)) & set(work.to_do(database, second))
    assert len(shared) == 8
    one, two = work.lease(database), work.lease(database)
    assert work.take(database, one, work.to_do(database, first)) >= shared
    mine = work.take(database, two, list(work.states(database, second)))
    assert len(mine) == 8
    assert not mine & shared
    record(database, two, results=[work.result(key) for key in mine])
    with database.write() as session:
        assert two.finish(session) is None  # the other's trials are still in training
    record(database, one, results=[work.result(key) for key in work.states(database, first)])
    with database.write() as session:
        assert two.finish(session) is StudyState.DONE
        assert one.finish(session) is StudyState.DONE
    assert len(work.rows(database, CurveRow)) == 24


def test_a_study_goes_on_with_trials_that_a_dead_runner_of_another_left(database, sent):
    """With one runner: it died in the first study, and took up the second after its restart."""
    first, second = sent(seeds=[0]), sent(seeds=[0], name="the same trials")
    dead = work.lease(database)
    keys = work.to_do(database, first)
    work.take(database, dead, keys)
    held = work.lease(database)
    assert held.study_id == second
    with database.write() as session:
        assert held.finish(session) is None
    assert work.to_do(database, second) == []
    work.silence(database, first)
    with database.write() as session:
        assert held.finish(session) is None
    assert work.to_do(database, second) == keys
    work.take(database, held, keys)
    record(database, held, results=[work.result(key) for key in keys])
    with database.write() as session:
        assert held.finish(session) is StudyState.DONE


def test_a_late_result_of_a_trial_that_went_to_another_study_leaves_no_trace(database, sent):
    first, second = sent(seeds=[0]), sent(seeds=[0], name="the same trials")
    slow = work.lease(database)
    key = work.to_do(database, first)[0]
    work.take(database, slow, [key])
    work.silence(database, first)
    held = work.lease(database)  # oldest first: the silent one's
    assert held.study_id == first
    with database.write() as session:
        held.give_back(session)
    # Now the first study's runner is silent, and the second study's takes the trial over.
    slow = work.lease(database)
    work.take(database, slow, [key])
    work.silence(database, first)
    other = None
    while other is None or other.study_id != second:
        other = claim(database, seconds=1000, device="x")
        if other is not None and other.study_id == first:
            slow = other  # it woke up: its lease is good, its trial is not
    assert work.take(database, other, [key]) == {key}
    record(database, slow, results=[work.result(key, 0.5)], progress={key: 7})
    assert trial(database, key).state is TrialState.RUNNING
    assert trial(database, key).epochs_done == 0
    assert work.rows(database, CurveRow) == []
    record(database, other, results=[work.result(key, 0.9)])
    assert trial(database, key).validation_score == pytest.approx(0.9)
    stored = curves.unpack(work.rows(database, CurveRow)[0].data)
    assert stored[-1, 2] == pytest.approx(0.9)


def test_a_result_is_never_overwritten(database, sent):
    study_id = sent()
    held = work.lease(database)
    key = work.to_do(database, study_id)[0]
    work.take(database, held, [key])
    record(database, held, results=[work.result(key, 0.9)])
    before = trial(database, key)
    record(database, held, results=[work.result(key, 0.1)])
    record(database, held, results=[work.result(key, None)])
    record(database, held, progress={key: 1})
    give_up(database, held, {key: "no"})
    lost(database, held, [key], "gone", 1)
    assert work.take(database, held, [key]) == set()
    after = trial(database, key)
    for column in TrialRow.__table__.columns:
        assert getattr(after, column.key) == getattr(before, column.key)
    assert len(work.rows(database, CurveRow)) == 1


def test_a_result_of_a_trial_that_was_not_claimed_is_not_taken(database, sent):
    study_id = sent()
    held = work.lease(database)
    key = work.to_do(database, study_id)[0]
    record(database, held, results=[work.result(key)])
    assert trial(database, key).state is TrialState.PENDING
    assert work.rows(database, CurveRow) == []


def test_what_a_result_and_a_divergence_leave_behind(database, sent):
    study_id = sent()
    held = work.lease(database)
    good, bad = work.to_do(database, study_id)[:2]
    work.take(database, held, [good, bad])
    record(database, held, results=[work.result(good, 0.75), work.result(bad, None, epochs=1)])
    row = trial(database, good)
    assert (row.state, row.claimed_by, row.reason, row.epochs_done) == ("done", None, None, 2)
    assert row.validation_score == pytest.approx(0.75)
    assert row.test_score == pytest.approx(0.74)
    assert row.train_loss == row.validation_loss == row.test_loss == pytest.approx(0.25)
    assert (row.seconds, row.device) == (0.5, "cpu (test)")
    row = trial(database, bad)
    assert (row.state, row.claimed_by, row.epochs_done) == ("diverged", None, 1)
    assert "not a finite number" in row.reason
    assert row.validation_score is row.test_score is row.train_loss is None
    with database.read() as session:
        told = queries.summary(session, study_id)
    assert (told.finished, told.diverged) == (2, 1)
    assert told.progress == pytest.approx(2 / 16)


def test_progress_counts_epochs_of_running_trials(database, sent):
    study_id = sent()
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys[:4])
    record(database, held, progress=dict.fromkeys(keys[:4], 1))
    with database.read() as session:
        told = queries.summary(session, study_id)
    assert told.progress == pytest.approx(4 / 32)
    assert told.running == 4


def test_a_trial_may_lose_workers_but_not_without_end(database, sent):
    study_id = sent()
    held = work.lease(database)
    key = work.to_do(database, study_id)[0]
    for attempt in (1, 2):
        work.take(database, held, [key])
        lost(database, held, [key], "killed", 3)
        row = trial(database, key)
        assert (row.state, row.attempts, row.claimed_by) == ("pending", attempt, None)
    work.take(database, held, [key])
    lost(database, held, [key], "killed", 3)
    row = trial(database, key)
    assert (row.state, row.attempts) == ("failed", 3)
    assert row.reason == "given up after 3 lost workers; the last: killed"
    assert key not in work.to_do(database, study_id)


def test_a_study_with_failed_trials_fails_and_says_why(database, sent):
    study_id = sent()
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys)
    give_up(database, held, {keys[0]: "no such data"})
    with database.write() as session:
        assert held.finish(session) is None
    record(database, held, results=[work.result(key, None) for key in keys[1:]])
    with database.write() as session:
        assert held.finish(session) is StudyState.FAILED
    row = study_row(database, study_id)
    assert row.error == "1 trial could not be trained; the first: no such data"
    assert row.lease_token is None
    assert row.finished_at is not None


def test_a_study_of_nothing_but_divergence_is_done(database, sent):
    study_id = sent()
    assert work.train(database, study_id, lambda _: None) is StudyState.DONE


def test_a_study_can_fail_as_a_whole(database, sent):
    study_id = sent()
    held = work.lease(database)
    work.take(database, held, work.to_do(database, study_id)[:2])
    with database.write() as session:
        held.fail(session, "the task has changed")
    row = study_row(database, study_id)
    assert (row.state, row.error, row.lease_token) == ("failed", "the task has changed", None)
    assert len(work.to_do(database, study_id)) == 16


def test_losses_that_are_no_numbers_can_be_stored(database, sent):
    study_id = sent()
    held = work.lease(database)
    key = work.to_do(database, study_id)[0]
    work.take(database, held, [key])
    odd = work.result(key)
    odd.curves[-1, 3] = np.inf
    odd.curves[-1, 1] = np.nan
    record(database, held, results=[odd])
    assert trial(database, key).state is TrialState.DONE


def test_claim_trials_takes_pending_ones_and_gives_its_own_again(database, sent):
    study_id = sent()
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    assert claim_trials(database, held, keys[:2], ["adamw"]) == set(keys[:2])
    assert claim_trials(database, held, [*keys[1:4], "unknown"], ["adamw"]) == set(keys[1:4])
    assert claim_trials(database, held, [], []) == set()


def eta(database, study_id):
    with database.read() as session:
        return queries.summary(session, study_id).eta_seconds


def test_the_time_left_is_the_runners_estimate_and_passes(database, sent):
    study_id = sent()
    assert eta(database, study_id) is None
    held = work.lease(database)
    assert eta(database, study_id) is None
    record(database, held, seconds_left=100.0)
    assert 95 < eta(database, study_id) <= 100
    with database.write() as session:
        earlier = utcnow() - timedelta(seconds=30)
        session.execute(update(StudyRow).values(estimated_at=earlier))
    assert 65 < eta(database, study_id) <= 70
    with database.write() as session:
        earlier = utcnow() - timedelta(seconds=300)
        session.execute(update(StudyRow).values(estimated_at=earlier))
    assert eta(database, study_id) == 0.0


def test_a_study_that_nobody_trains_has_no_time_left(database, sent):
    study_id = sent()
    record(database, work.lease(database), seconds_left=100.0)
    work.silence(database, study_id)
    assert eta(database, study_id) is None
    again = work.lease(database)
    assert again.study_id == study_id
    assert eta(database, study_id) is None  # of the old runner's packs nothing is known to this one
    record(database, again, seconds_left=50.0)
    with database.write() as session:
        again.give_back(session)
    assert eta(database, study_id) is None
