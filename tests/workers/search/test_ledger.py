"""Who is given the next point."""

from tests.workers.search import jobs
from workers.search.contracts import PointState
from workers.search.ledger import HOPELESS, Ledger

TWO = (jobs.optimizer("adamw"), jobs.optimizer("adam-lpwd"))


def dealt(ledger):
    """Deal points until none is left; returns labels with numbers."""
    found = []
    while (label := ledger.next()) is not None:
        found.append((label, ledger.begin(label)))
    return found


def test_points_are_dealt_in_turn_up_to_the_budget():
    assert dealt(Ledger(jobs.search(*TWO, points=2))) == [
        ("adamw", 0),
        ("adam-lpwd", 0),
        ("adamw", 1),
        ("adam-lpwd", 1),
    ]


def test_points_of_before_count_and_numbers_that_were_cut_off_are_given_again():
    ledger = Ledger(jobs.search(*TWO, points=3))
    ledger.recall("adamw", (jobs.past(0), jobs.past(3)))
    assert dealt(ledger) == [
        ("adam-lpwd", 0),
        ("adam-lpwd", 1),
        ("adamw", 1),
        ("adam-lpwd", 2),
    ]


def test_an_optimizer_whose_time_is_up_gets_no_further_point():
    ledger = Ledger(jobs.search(*TWO, points=100, seconds=2.0))
    ledger.recall("adamw", (jobs.past(0, seconds=1.5),))
    ledger.begin("adam-lpwd")
    ledger.spend("adamw", 0.5)
    assert ledger.next() == "adam-lpwd"
    ledger.spend("adam-lpwd", 2.5)
    assert ledger.next() is None


def test_an_optimizer_of_which_every_point_fails_is_given_up():
    ledger = Ledger(jobs.search(points=100))
    for _ in range(HOPELESS):
        assert ledger.next() == "adamw"
        ledger.begin("adamw")
        ledger.end("adamw", PointState.FAILED)
    assert ledger.next() is None


def test_one_point_that_did_not_fail_is_hope():
    ledger = Ledger(jobs.search(points=100))
    for state in [PointState.PRUNED] + [PointState.FAILED] * HOPELESS:
        ledger.begin("adamw")
        ledger.end("adamw", state)
    assert ledger.next() == "adamw"
