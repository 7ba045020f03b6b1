import dataclasses
from collections import Counter
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.contracts import Budget, Measurement, NumericMode, Pack, TrialSpec
from workers.packing import (
    best_size,
    groups,
    kind,
    pack_bytes,
    packs_per_gpu,
    plan_packs,
    quick_sizes,
    sample,
    seconds_per_trial,
    settings,
    shared_size,
)

BUDGETS = [Budget(2, 64), Budget(3, 64)]
trials = st.builds(
    TrialSpec,
    task=st.sampled_from(["digits-mlp", "mnist1d-mlp"]),
    task_version=st.just(1),
    optimizer=st.sampled_from(["adamw", "adam-lpwd"]),
    optimizer_version=st.just(1),
    learning_rate=st.sampled_from([0.1, 0.01]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 3),
    budget=st.sampled_from(BUDGETS),
)


@given(st.lists(trials, max_size=60), st.integers(1, 20), st.integers(1, 5))
def test_every_trial_is_in_one_pack_of_its_kind(wanted, size, workers):
    packs = plan_packs(wanted, size=size, workers=workers)
    packed = sorted(trial.key for pack in packs for trial in pack.trials)
    assert packed == sorted(trial.key for trial in wanted)
    for pack in packs:
        assert 1 <= len(pack.trials) <= size
        assert len({trial.seed for trial in pack.trials}) == 1


@given(st.lists(trials, max_size=60), st.integers(1, 20))
def test_the_first_seed_comes_first(wanted, size):
    seeds = [pack.trials[0].seed for pack in plan_packs(wanted, size=size)]
    assert seeds == sorted(seeds)


def test_packs_of_a_seed_are_of_nearly_equal_size():
    wanted = [
        TrialSpec("digits-mlp", 1, "adamw", 1, 0.001 * (i + 1), 0.1, 0, BUDGETS[0])
        for i in range(100)
    ]
    assert {len(pack.trials) for pack in plan_packs(wanted, size=48)} == {33, 34}


def test_a_pack_holds_something():
    with pytest.raises(ValueError, match="not 0"):
        plan_packs([], size=0)


def test_a_pack_is_of_one_kind():
    one = TrialSpec("digits-mlp", 1, "adamw", 1, 0.1, 0.1, 0, BUDGETS[0])
    with pytest.raises(ValueError, match="one task and budget"):
        Pack((one, dataclasses.replace(one, budget=BUDGETS[1])))


def grid(optimizers, cells, seed=0, budget=BUDGETS[0]):
    """Trials cell by cell, all optimizers at each, as studies order them."""
    return [
        TrialSpec("digits-mlp", 1, name, 1, 0.001 * (i + 1), 0.1, seed, budget)
        for i in range(cells)
        for name in ("adamw", "adam-lpwd", "sgdw", "adam-l2", "sgd-lpwd")[:optimizers]
    ]


@given(st.integers(1, 5), st.integers(1, 60), st.integers(8, 48), st.integers(1, 6))
def test_packs_that_run_together_hold_the_next_trials_side_by_side(
    optimizers, cells, size, workers
):
    wanted = grid(optimizers, cells)
    packs = plan_packs(wanted, size=size, workers=workers)
    done = 0
    abreast = max(workers, ceil(8 * optimizers / size))
    for first in range(0, len(packs), abreast):
        together = [trial for pack in packs[first : first + abreast] for trial in pack.trials]
        following = wanted[done : done + len(together)]
        assert {trial.key for trial in together} == {trial.key for trial in following}
        changes = sum(settings(a) != settings(b) for a, b in pairwise(together))
        assert changes == len({settings(trial) for trial in together}) - 1
        done += len(together)


def test_packs_are_of_equal_size_where_they_are_compiled():
    compiled = Budget(2, 64, numerics=NumericMode(compile=True))
    sizes = [len(pack.trials) for pack in plan_packs(grid(5, 35, budget=compiled), size=48)]
    assert sizes == [35] * 5
    prime = [len(pack.trials) for pack in plan_packs(grid(1, 101, budget=compiled), size=48)]
    assert sum(prime) == 101
    assert len(prime) == 3


def measured(seconds, *, fixed=1000, each=100, free=10**9):
    return Measurement(fixed, each, free, seconds)


def test_the_best_size_is_the_quickest_a_trial():
    assert best_size(measured({1: 9.0, 4: 3.0, 16: 1.0, 64: 2.0})) == 16
    assert best_size(measured({1: 1.0})) == 1


@pytest.mark.parametrize(("epochs", "expected"), [(1, 128), (40, 128), (50, 32), (500, 8)])
def test_of_equals_it_is_the_largest_that_lets_nobody_wait(epochs, expected):
    equal = measured({1: 0.09, 8: 0.0104, 32: 0.01, 128: 0.0103})
    assert best_size(equal, epochs=epochs) == expected
    assert quick_sizes(equal) == [8, 32, 128]


def test_the_best_size_fits_into_its_share_of_memory():
    curve = {1: 9.0, 8: 2.0, 64: 1.0}
    assert best_size(measured(curve, free=7400)) == 64
    assert best_size(measured(curve, free=7399)) == 8
    assert best_size(measured(curve, free=9000), memory_share=0.5) == 8
    assert best_size(measured(curve, free=10)) == 1
    assert pack_bytes(measured(curve), 64) == 7400


@given(st.dictionaries(st.integers(1, 512), st.floats(1e-4, 100), min_size=1))
def test_between_sizes_the_time_lies_between_theirs(seconds):
    at = seconds_per_trial(seconds)
    for size, own in seconds.items():
        assert at(size) == own
    for size in range(1, 600, 7):
        assert min(seconds.values()) - 1e-9 <= at(size) <= max(seconds.values()) + 1e-9


curves = st.sampled_from([{1: 1.0}, {1: 6.0, 4: 2.8, 16: 1.2, 64: 1.0}, {1: 1.0, 64: 0.1}])


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=8),
    st.integers(1, 128),
    st.integers(1, 16),
    curves,
)
def test_workers_are_shared_at_least_as_well_as_by_full_packs(counts, most, workers, curve):
    seconds = seconds_per_trial(curve)

    def time(size):
        packs = [ceil(count / size) for count in counts]
        actual = max(ceil(count / n) for count, n in zip(counts, packs, strict=True))
        return ceil(sum(packs) / workers) * actual * seconds(actual)

    size = shared_size(counts, most=most, workers=workers, seconds=seconds)
    assert 1 <= size <= most
    assert time(size) <= 1.06 * time(most)


def test_workers_share_what_one_pack_could_hold():
    seconds = seconds_per_trial({1: 6.0, 4: 2.8, 16: 1.2, 64: 1.0})
    assert shared_size([70], most=128, workers=2, seconds=seconds) == 35
    assert shared_size([70], most=128, workers=1, seconds=seconds) == 70
    assert shared_size([1000] * 9, most=64, workers=2, seconds=seconds) >= 60
    assert shared_size([], most=64, workers=2, seconds=seconds) == 64


@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 200))
def test_a_sample_is_of_one_kind_and_few_optimizers_at_first(optimizers, cells, most):
    wanted = [*grid(optimizers, cells), *grid(optimizers, cells, seed=1)]
    chosen = sample(wanted, most)
    assert len(chosen) == min(most, optimizers * cells)
    assert {kind(trial) for trial in chosen} == {kind(wanted[0])}
    assert len({trial.key for trial in chosen}) == len(chosen)
    assert len({trial.optimizer for trial in chosen[:8]}) <= ceil(8 / min(8, cells))
    if optimizers >= 3:
        assert chosen[0].optimizer != "sgdw"


def test_groups_count_what_may_share_a_pack():
    wanted = [*grid(2, 3), *grid(2, 3, seed=1), *grid(1, 4, seed=1, budget=BUDGETS[1])]
    assert Counter(groups(wanted)) == Counter([6, 6, 4])


@pytest.mark.parametrize(
    ("busy", "packs"),
    [(0.0, 1), (1.0, 1), (0.7, 1), (0.69, 2), (0.5, 2), (0.34, 2), (0.33, 3), (0.25, 4), (0.01, 4)],
)
def test_a_gpu_is_shared_until_it_computes_all_the_time(busy, packs):
    assert packs_per_gpu(busy) == packs
