"""Results of a search: pure, from its points."""

from datetime import UTC, datetime, timedelta

import pytest

from service.search.model import Importance, SearchedPoint, Step
from service.search.results import aggregate, trace
from tests.service.search import points
from workers.search.contracts import PointState

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def point(number, value=0.9, state=PointState.DONE, *, optimizer="adamw", ended=None, **changes):
    ended = number if ended is None else ended
    final = state is not PointState.RUNNING
    return SearchedPoint(
        **{
            "optimizer": optimizer,
            "number": number,
            "state": state,
            "parameters": {"learning_rate": 0.01, "weight_decay": 0.1},
            "learning_rate": 0.01,
            "weight_decay": 0.1,
            "value": value,
            "test_value": value - 0.01 if state is PointState.DONE else None,
            "seed_scores": (value, value) if final and value is not None else (),
            "epochs": 4,
            "diverged": 0,
            "reason": None,
            "seconds": 2.0,
            "device": "cpu (test)",
            "created_at": NOW,
            "finished_at": NOW + timedelta(seconds=ended) if final else None,
        }
        | changes
    )


@pytest.fixture
def results(search):
    def make(*found, importances=None):
        return aggregate(points.spec_of(search()), found, importances or {})

    return make


def test_the_best_is_the_best_of_those_trained_in_full(results):
    found = results(
        point(0, 0.8),
        point(1, 0.9),
        point(2, 0.9),
        point(3, 0.95, PointState.PRUNED),
        point(4, 0.99, PointState.RUNNING),
        point(0, 0.7, optimizer="adam-lpwd"),
    )
    adamw, lpwd = found.optimizers
    assert (adamw.best.number, adamw.best.value) == (1, 0.9)
    assert (lpwd.title, lpwd.best.value) == ("Adam + LPWD", 0.7)
    assert adamw.count(PointState.PRUNED) == 1
    assert adamw.ended == 4
    assert adamw.seconds == 10
    assert found.domain == pytest.approx((0.8, 0.9))


def test_without_a_point_trained_in_full_there_is_no_best(results):
    found = results(point(0, 0.5, PointState.PRUNED), point(1, 0.1, PointState.DIVERGED))
    assert found.optimizers[0].best is None
    assert found.optimizers[0].trace == ()
    assert found.domain is None


def test_the_trace_steps_where_the_best_grows_and_goes_to_the_end():
    ended = [
        point(0, 0.5, PointState.PRUNED),
        point(1, 0.6),
        point(2, 0.6),
        point(3, 0.7),
        point(4, 0.65),
    ]
    assert trace(ended, maximize=True) == (Step(2, 4, 0.6), Step(4, 8, 0.7), Step(5, 10, 0.7))


def test_a_trace_of_what_should_be_small_falls():
    ended = [point(0, 0.6), point(1, 0.7), point(2, 0.5)]
    assert trace(ended, maximize=False) == (Step(1, 2, 0.6), Step(3, 6, 0.5))


def test_points_count_in_the_order_in_which_they_ended(results):
    found = results(point(0, 0.9, ended=5), point(1, 0.8, ended=1))
    assert found.optimizers[0].trace == (Step(1, 2, 0.8), Step(2, 4, 0.9))


def test_importance_is_what_was_told_or_says_why_it_was_not(results):
    told = Importance(12, (("learning_rate", 0.8),))
    many = [point(n, 0.5 + n / 100) for n in range(10)]
    found = results(*many, importances={"adam-lpwd": told})
    adamw, lpwd = found.optimizers
    assert lpwd.importance is told
    assert adamw.importance.reason == "not told yet"
    few = results(*many[:9]).optimizers[0].importance
    assert few.reason == "not enough points: 9 of 10 have a final score"
