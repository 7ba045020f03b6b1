import dataclasses
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.contracts import Budget, LearningRateSchedule, NumericMode, Precision, TrialSpec, keys

BASE = TrialSpec("digits-mlp", 1, "adamw", 1, 0.01, 0.1, 0, Budget(20, 64), {"beta1": 0.9})
CHANGES = {
    "task": "mnist1d-mlp",
    "task_version": 2,
    "optimizer": "adam-lpwd",
    "optimizer_version": 2,
    "learning_rate": 0.02,
    "weight_decay": 0.0,
    "seed": 1,
    "budget": Budget(21, 64),
    "hyperparameters": {"beta1": 0.8},
    "engine_version": 99,
}


def test_the_key_is_stable_between_processes():
    code = (
        "from workers.contracts import *;"
        "print(TrialSpec('digits-mlp',1,'adamw',1,0.01,0.1,0,Budget(20,64),{'beta1':0.9}).key)"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    assert printed.decode().strip() == BASE.key


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(TrialSpec)])
def test_everything_that_determines_the_numbers_is_in_the_key(field):
    assert dataclasses.replace(BASE, **{field: CHANGES[field]}).key != BASE.key


@pytest.mark.parametrize(
    "budget",
    [
        Budget(20, 32),
        Budget(20, 64, LearningRateSchedule.COSINE),
        Budget(20, 64, numerics=NumericMode(Precision.FLOAT64)),
        Budget(20, 64, numerics=NumericMode(amp=True)),
    ],
)
def test_so_is_all_of_the_budget(budget):
    assert dataclasses.replace(BASE, budget=budget).key != BASE.key


def test_the_order_of_hyperparameters_does_not_matter():
    one = dataclasses.replace(BASE, hyperparameters={"a": 1, "b": 2})
    assert one.key == dataclasses.replace(BASE, hyperparameters={"b": 2, "a": 1}).key


def test_rates_that_are_not_numbers_have_no_key():
    with pytest.raises(ValueError, match="JSON"):
        _ = dataclasses.replace(BASE, learning_rate=float("nan")).key


def test_contracts_need_neither_torch_nor_ray():
    code = "import workers.contracts, sys; assert not {'torch', 'ray'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@settings(max_examples=50)
@given(
    rates=st.lists(st.floats(1e-12, 1000) | st.integers(1, 9), min_size=1, max_size=3),
    seeds=st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=3),
    name=st.text(max_size=5),
)
def test_keys_of_many_are_the_keys_of_each(rates, seeds, name):
    common = {"beta": 0.9, "learning_rate": 1, "text": "\0seed\0"}
    trials = [
        TrialSpec(
            task=name,
            task_version=1,
            optimizer=optimizer,
            optimizer_version=2,
            learning_rate=rate,
            weight_decay=rate / 7,
            seed=seed,
            budget=Budget(epochs=3, batch_size=8),
            hyperparameters=hyperparameters,
        )
        for seed in seeds
        for rate in rates
        for optimizer, hyperparameters in (("adamw", common), ("sgd", {}))
    ]
    assert list(keys(trials)) == [trial.key for trial in trials]


def test_keys_of_many_are_of_finite_numbers():
    trial = TrialSpec("t", 1, "o", 1, float("nan"), 0.0, 0, Budget(epochs=1, batch_size=1))
    with pytest.raises(ValueError, match="not JSON compliant"):
        list(keys([trial]))
