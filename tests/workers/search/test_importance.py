"""Which hyperparameters matter."""

import math
import random

import pytest

from tests.workers.search import jobs
from workers.search.contracts import Kind, Parameter
from workers.search.importance import importance

SPACE = (
    jobs.RATE,
    jobs.DECAY,
    Parameter("beta1", Kind.NUMBER, 0.8, 0.95),
    Parameter("amsgrad", Kind.CHOICE, choices=(True, False)),
)


def points(value, count=60):
    """Make points with a value computed from their parameters."""
    dice = random.Random(0)
    found = []
    for _ in range(count):
        parameters = {
            "learning_rate": 10 ** dice.uniform(-3, -1),
            "weight_decay": dice.choice([0.0, 10 ** dice.uniform(-4, 0)]),
            "beta1": dice.uniform(0.8, 0.95),
            "amsgrad": dice.random() < 0.5,
        }
        found.append((parameters, value(parameters)))
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", lambda p: -((math.log10(p["learning_rate"]) + 2) ** 2)),
        ("weight_decay", lambda p: 1.0 if p["weight_decay"] == 0 else 0.0),
        ("beta1", lambda p: p["beta1"]),
        ("amsgrad", lambda p: float(p["amsgrad"])),
    ],
)
def test_what_alone_decides_is_most_important(name, value):
    shares = importance(SPACE, points(value))
    assert set(shares) == {one.name for one in SPACE}
    assert next(iter(shares)) == name
    assert shares[name] > 0.7
    assert sum(shares.values()) <= 1 + 1e-9


def test_the_same_points_give_the_same_answer():
    found = points(lambda p: p["learning_rate"])
    assert importance(SPACE, found) == importance(SPACE, found)


def test_where_all_points_score_alike_nothing_is_important():
    assert importance(SPACE, points(lambda _: 0.5)) == {}


def test_a_range_of_one_point_each_is_no_trouble():
    space = (jobs.RATE, Parameter("weight_decay", Kind.CHOICE, choices=(0.0, 0.1)))
    found = [({"learning_rate": 0.01 + n / 1000, "weight_decay": 0.0}, n / 10) for n in range(10)]
    assert next(iter(importance(space, found))) == "learning_rate"
