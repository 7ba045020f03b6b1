"""The time that a search still takes."""

import pytest

from service.search.estimate import Used, seconds_left
from tests.workers.search import jobs

TWO = (jobs.optimizer("adamw"), jobs.optimizer("adam-lpwd"))


def test_points_keep_coming_as_they_came():
    search = jobs.search(*TWO, points=10)
    now = {"adamw": Used(3, 6.0), "adam-lpwd": Used(2, 4.0)}
    assert seconds_left(search, {}, now, 10.0) == pytest.approx(15 * 2)


def test_what_was_before_does_not_count_for_the_pace():
    search = jobs.search(points=10)
    before, now = {"adamw": Used(5, 50.0)}, {"adamw": Used(8, 53.0)}
    assert seconds_left(search, before, now, 3.0) == pytest.approx(2.0)


def test_a_budget_in_seconds_may_end_it_sooner():
    search = jobs.search(points=1000, seconds=10.0)
    # Two devices spend 8 s of training in 4 s.
    now = {"adamw": Used(4, 8.0)}
    assert seconds_left(search, {}, now, 4.0) == pytest.approx(1.0)
    assert seconds_left(search, {}, {"adamw": Used(4, 11.0)}, 4.0) == 0


def test_too_few_points_tell_nothing():
    assert seconds_left(jobs.search(points=10), {}, {"adamw": Used(2, 1.0)}, 1.0) is None
    assert seconds_left(jobs.search(points=10), {}, {}, 1.0) is None
