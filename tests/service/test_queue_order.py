"""Whose turn it is: priority, turns between owners, age; and who yields to whom."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from service.db import Database, clock, utcnow
from service.db.tables.keys import KeyRow
from service.db.tables.studies import StudyRow
from service.queue import claim
from service.queue.order import in_order, should_yield
from tests.service import work


@pytest.fixture
def owners(database):
    """Three keys."""
    names = ("ada", "bob", "eve")
    with database.write() as session:
        session.execute(
            insert(KeyRow),
            [
                {
                    "id": name,
                    "name": name,
                    "hash": name,
                    "role": "submitter",
                    "created_at": utcnow(),
                }
                for name in names
            ],
        )
    return names


@pytest.fixture
def queue(database, sent):
    """Send a study of another seed every time, so that none shares a trial. Returns its id."""
    count = iter(range(1000))

    def send(owner=None, priority=0):
        study_id = sent(seeds=[next(count)])
        change(database, study_id, owner_id=owner, priority=priority)
        return study_id

    return send


def change(database, study_id, **values):
    with database.write() as session:
        session.execute(update(StudyRow).where(StudyRow.id == study_id).values(**values))


def order(database):
    with database.read() as session:
        return list(session.scalars(in_order(clock.now(session))))


def yields(database, held, *, turn_over=False):
    with database.read() as session:
        return should_yield(session, held.study_id, clock.now(session), turn_over=turn_over)


def test_higher_priority_first_then_the_older(database, queue):
    normal, low, high, other = queue(), queue(None, -5), queue(None, 5), queue()
    assert order(database) == [high, normal, other, low]
    assert work.lease(database).study_id == high


def test_owners_take_turns(database, queue, owners):
    """With one runner: one of each, however many somebody has sent before."""
    mine = [queue("ada") for _ in range(3)]
    bobs = [queue("bob") for _ in range(2)]
    nobodys = [queue() for _ in range(2)]
    taken = []
    for _ in range(7):
        held = work.lease(database)
        taken.append(held.study_id)
        with database.write() as session:
            held.fail(session, "enough")
    assert taken == [mine[0], bobs[0], nobodys[0], mine[1], bobs[1], nobodys[1], mine[2]]


def test_who_has_fewer_in_training_goes_first(database, queue, owners):
    """With several runners."""
    for _ in range(2):
        queue("ada")
        work.lease(database)
    bobs = queue("bob")
    assert work.lease(database).study_id == bobs
    mine, eves, more = queue("ada"), queue("eve"), queue("bob")
    # ada trains two, bob one, eve none.
    assert order(database) == [eves, more, mine]


def test_nobody_waits_for_ever_behind_another_who_keeps_sending(database, queue, owners):
    bobs = queue("bob")
    for _ in range(2):
        queue("ada")
    taken = []
    while bobs not in taken:
        held = work.lease(database)
        taken.append(held.study_id)
        with database.write() as session:
            held.fail(session, "enough")
        queue("ada")
        assert len(taken) < 3


def test_a_priority_goes_before_turns(database, queue, owners):
    queue("bob")
    first, second = queue("ada", 1), queue("ada", 1)
    assert [work.lease(database).study_id for _ in range(2)] == [first, second]


def test_many_runners_at_once_keep_to_the_order(database, queue, owners):
    for owner in owners:
        for priority in (0, 0, 1):
            queue(owner, priority)
    runners = [Database(database.url.render_as_string(hide_password=False)) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        leases = list(pool.map(lambda one: claim(one, seconds=99, device="x"), runners))
    for runner in runners:
        runner.close()
    taken = {held.study_id for held in leases if held}
    with database.read() as session:
        assert {session.get_one(StudyRow, one).priority for one in taken} == {1}
    assert len(taken) == 3


def test_a_study_yields_to_a_more_urgent_one_only(database, queue):
    queue()
    held = work.lease(database)
    assert not yields(database, held)
    queue()
    queue(None, -1)
    assert not yields(database, held)
    assert not yields(database, held, turn_over=True)  # to another owner's only
    queue(None, 1)
    assert yields(database, held)


def test_when_its_turn_is_over_a_study_yields_to_another_owners(database, queue, owners):
    queue("ada")
    held = work.lease(database)
    queue("ada")
    assert not yields(database, held, turn_over=True)
    bobs = queue("bob", -1)
    assert not yields(database, held, turn_over=True)
    change(database, bobs, priority=0)
    assert yields(database, held, turn_over=True)
    assert not yields(database, held)
    with database.write() as session:
        held.give_back(session)
    assert work.lease(database).study_id == bobs


def test_no_more_studies_yield_than_wait_and_the_least_urgent_do(database, queue):
    leases = []
    for priority in (2, 1, 1):
        queue(None, priority)
        leases.append(work.lease(database))
    urgent, older, younger = leases
    queue(None, 9)
    assert [yields(database, one) for one in (urgent, older, younger)] == [False, False, True]
    queue(None, 9)
    assert [yields(database, one) for one in (urgent, older, younger)] == [False, True, True]
    queue(None, 9)
    assert all(yields(database, one) for one in leases)


def test_a_study_that_is_gone_yields_to_nobody(database, queue):
    queue()
    held = work.lease(database)
    held.study_id = secrets.token_hex(6)
    assert not yields(database, held, turn_over=True)


def test_a_study_whose_runner_fell_silent_waits_like_the_others(database, queue):
    first, second = queue(), queue(None, 1)
    work.lease(database), work.lease(database)
    assert order(database) == []
    for study_id in (first, second):
        change(database, study_id, lease_expires_at=utcnow() - timedelta(seconds=1))
    assert order(database) == [second, first]
