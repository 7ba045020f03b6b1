"""What the runner learns about the size of packs."""

import pytest

from service.runner.sizing import PackSizes
from workers.contracts import Budget, Measurement, TrialSpec

KIND = "kind"
CURVE = {1: 8.0, 4: 3.0, 16: 1.0, 64: 1.5}


def trials(count, seeds=1):
    budget = Budget(2, 64)
    return [
        TrialSpec("digits-mlp", 1, "adamw", 1, 0.001 * (i + 1), 0.1, seed, budget)
        for seed in range(seeds)
        for i in range(count)
    ]


def measured(**changes):
    whole = {"fixed_bytes": 100, "trial_bytes": 10, "free_bytes": 10**6, "seconds": CURVE}
    return Measurement(**{**whole, **changes})


def plan(sizes, count, workers=1, seeds=1):
    return [len(pack.trials) for pack in sizes.plan(KIND, trials(count, seeds), workers=workers)]


def test_it_asks_once_for_each_kind():
    sizes = PackSizes()
    asked = sizes.open_question(KIND, trials(700))
    assert len(asked.trials) == 512
    sizes.learn(KIND, measured())
    assert sizes.open_question(KIND, trials(700)) is None
    assert sizes.open_question("another", trials(700)) is not None
    assert sizes.measurement(KIND) == measured()
    assert sizes.measurement("another") is None


def test_it_asks_for_no_more_than_it_could_use():
    assert len(PackSizes(ceiling=6).open_question(KIND, trials(40)).trials) == 6
    assert len(PackSizes().open_question(KIND, trials(5, seeds=3)).trials) == 5
    assert PackSizes().open_question(KIND, trials(1, seeds=9)) is None


def test_it_asks_again_when_a_small_study_left_the_best_size_open():
    sizes = PackSizes()
    assert len(sizes.open_question(KIND, trials(4)).trials) == 4
    sizes.learn(KIND, measured(seconds={1: 8.0, 4: 3.0}))
    assert sizes.open_question(KIND, trials(7)) is None
    assert len(sizes.open_question(KIND, trials(60)).trials) == 60
    sizes.learn(KIND, measured(seconds={1: 8.0, 4: 3.0, 16: 2.0}))  # and then its time was up
    assert sizes.open_question(KIND, trials(60)) is None


def test_packs_are_as_large_as_is_quickest():
    sizes = PackSizes()
    sizes.learn(KIND, measured())
    assert plan(sizes, 160) == [16] * 10
    assert plan(sizes, 20, workers=2) == [10, 10]


@pytest.mark.parametrize(("ceiling", "share", "expected"), [(8, 1.0, 8), (None, 0.5, 4)])
def test_ceiling_and_memory_are_heeded(ceiling, share, expected):
    sizes = PackSizes(ceiling=ceiling, memory_share=share)
    sizes.learn(KIND, measured(free_bytes=300))  # room for 20, and for 5 in half of it
    assert max(plan(sizes, 160)) == expected


def test_what_was_too_large_is_halved_for_good():
    sizes = PackSizes()
    sizes.learn(KIND, measured())
    sizes.too_large(KIND, 16)
    sizes.too_large(KIND, 16)  # of two that ran side by side
    assert max(plan(sizes, 160)) == 8
    for size in (8, 4, 2, 1, 1):
        sizes.too_large(KIND, size)
    assert plan(sizes, 3) == [1, 1, 1]
    sizes.learn(KIND, measured())
    assert plan(sizes, 3) == [1, 1, 1]


def test_without_a_measurement_packs_are_moderate():
    sizes = PackSizes()
    sizes.learn(KIND, None)
    assert max(plan(sizes, 160)) <= 16
    assert plan(PackSizes(), 1) == [1]


def test_those_who_share_a_device_share_its_memory():
    sizes = PackSizes()
    sizes.learn(KIND, measured(free_bytes=300))  # room for 20, 5 or none
    for sharing, largest in ((1, 16), (2, 4), (4, 1)):
        packs = sizes.plan(KIND, trials(160), workers=sharing, sharing=sharing)
        assert max(len(pack.trials) for pack in packs) == largest
