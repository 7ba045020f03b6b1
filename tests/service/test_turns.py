"""What runners tell by a clock: who has fallen silent, whose turn is over, who starts when."""

import pytest
from sqlalchemy import update

from service.db import clock, utcnow
from service.db.tables.studies import StudyRow
from service.errors import LeaseLostError
from service.queue import claim
from service.queue.forecast import starts
from service.queue.results import record
from service.queue.turn import LOOK_EVERY, Turn
from service.queue.watch import Watch
from tests.service import work
from tests.service.work import timedelta


@pytest.fixture
def clocks(monkeypatch):
    moment = [1000.0]
    monkeypatch.setattr("service.queue.watch.time.monotonic", lambda: moment[0])

    def move(seconds):
        moment[0] += seconds
        return moment[0]

    return move


def test_a_lease_that_does_not_move_is_silent_and_one_that_does_is_not(database, sent, clocks):
    quiet, lively = sent(seeds=[0]), sent(seeds=[1])
    leases = {held.study_id: held for held in (work.lease(database), work.lease(database))}
    watch = Watch(seconds=10)
    assert watch.silent(database) == {}
    for _ in range(4):
        clocks(9)
        with database.write() as session:
            leases[lively].renew(session)
        found = watch.silent(database)
    assert set(found) == {quiet}
    again = claim(database, seconds=10, device="x", silent=found)
    assert again.study_id == quiet
    assert watch.silent(database) == {}
    with pytest.raises(LeaseLostError):
        record(database, leases[quiet])


def test_a_turn_is_over_when_somebody_more_urgent_still_waits_at_the_next_look(database, sent):
    moment = [0.0]
    sent(seeds=[0])
    held = work.lease(database)
    turn = Turn(database, held, seconds=100, now=lambda: moment[0])

    def over(passed):
        moment[0] += passed
        return turn.over()

    assert not over(LOOK_EVERY)
    urgent = sent(seeds=[1])
    with database.write() as session:
        session.execute(update(StudyRow).where(StudyRow.id == urgent).values(priority=1))
    assert not over(LOOK_EVERY)  # an idle runner may be about to take it
    assert not over(LOOK_EVERY / 2)
    assert over(LOOK_EVERY / 2)
    with database.write() as session:
        session.execute(update(StudyRow).where(StudyRow.id == urgent).values(priority=0))
    assert not over(LOOK_EVERY)
    assert not over(1000)  # nobody else waits: both are nobody's


def test_runners_with_other_clocks_agree_about_a_lease(database, sent, monkeypatch):
    """On PostgreSQL its clock counts. A SQLite file has but one machine's: when that leaps forward,
    the study changes hands early, and nothing is lost."""
    study_id = sent()
    held = work.lease(database, seconds=60)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys)
    record(database, held, results=[work.result(keys[0])])
    leap = utcnow() + timedelta(days=365)
    monkeypatch.setattr("service.db.clock.utcnow", lambda: leap)
    other = claim(database, seconds=60, device="x")
    if not database.sqlite:
        assert other is None
        record(database, held, results=[work.result(key) for key in keys[1:]])
        return
    assert other.study_id == study_id
    with pytest.raises(LeaseLostError):
        record(database, held, results=[work.result(key) for key in keys[1:]])
    assert work.to_do(database, study_id) == keys[1:]


def test_the_databases_clock_is_aware_and_tells_the_time(database):
    with database.read() as session:
        now = clock.now(session)
    assert abs((now - utcnow()).total_seconds()) < 5


@pytest.mark.parametrize(
    ("busy", "idle", "waiting", "expected"),
    [
        ([], 0, 2, [None, None]),
        ([], 1, 2, [0.0, None]),
        ([30.0, 10.0], 1, 4, [0.0, 10.0, 30.0, None]),
        ([30.0, None], 1, 3, [0.0, None, None]),
        ([5.0], 2, 1, [0.0]),
    ],
)
def test_as_many_starts_are_told_as_there_are_runners(busy, idle, waiting, expected):
    assert starts(busy, idle, waiting) == expected
