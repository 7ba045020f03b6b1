import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.contracts import Budget, Pack, TrialSpec
from workers.packing import plan_packs

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


@given(st.lists(trials, max_size=60), st.integers(1, 20))
def test_every_trial_is_in_one_pack_of_its_kind(wanted, size):
    packs = plan_packs(wanted, size=size)
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
