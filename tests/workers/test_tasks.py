"""Every task keeps what it declares."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from workers import tasks
from workers.errors import DuplicateTaskError, UnknownTaskError

NAMES = tasks.names()


@pytest.mark.parametrize("name", NAMES)
def test_splits_have_the_declared_sizes_and_do_not_overlap(name):
    task = tasks.get(name)
    splits = task.load().load(0)
    parts = (splits.train, splits.validation, splits.test)
    assert tuple(len(targets) for _, targets in parts) == task.examples
    rows = [{row.tobytes() for row in inputs.reshape(len(inputs), -1)} for inputs, _ in parts]
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]
    for inputs, targets in parts:
        assert inputs.dtype == np.float32
        assert targets.dtype == np.int64
        assert np.isfinite(inputs).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_is_a_split(name):
    problem = tasks.get(name).load()
    first, again, other = problem.load(1), problem.load(1), problem.load(2)
    np.testing.assert_array_equal(first.validation[0], again.validation[0])
    assert not np.array_equal(first.validation[0], other.validation[0])


@pytest.mark.parametrize("name", NAMES)
def test_an_untrained_model_scores_about_chance(name):
    task = tasks.get(name)
    problem = task.load()
    inputs, targets = (torch.from_numpy(part) for part in problem.load(0).test)
    scores = []
    for seed in range(8):
        torch.manual_seed(seed)
        scores.append(float(problem.score(problem.model()(inputs), targets)))
    assert np.mean(scores) == pytest.approx(task.metric.chance, abs=0.06)


def test_unknown_tasks_are_named_with_those_there_are():
    with pytest.raises(UnknownTaskError, match=r"'digit-mlp'; did you mean 'digits-mlp'"):
        tasks.get("digit-mlp")


def test_a_name_is_taken_once():
    with pytest.raises(DuplicateTaskError, match="digits-mlp"):
        tasks.register(tasks.get("digits-mlp"))


def test_mnist1d_leaves_the_global_random_states_alone():
    code = """
import random, numpy as np
from workers.tasks.mnist1d_mlp import load
random.seed(3); np.random.seed(3)
expected = random.random(), np.random.rand()
random.seed(3); np.random.seed(3)
load(0)
assert (random.random(), np.random.rand()) == expected
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_catalogue_of_tasks_needs_no_torch():
    code = (
        "import workers.tasks, sys; assert workers.tasks.tasks(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
