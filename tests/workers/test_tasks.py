"""Every task keeps what it declares."""

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
import torch

from workers import tasks
from workers.data.pydoc_text import VOCABULARY
from workers.errors import DuplicateTaskError, UnknownTaskError
from workers.tasks.mnist1d import load_published

NAMES = tasks.names()


@pytest.mark.parametrize("name", NAMES)
def test_splits_have_the_declared_sizes_and_do_not_overlap(name):
    task = tasks.get(name)
    splits = task.load().load(0)
    parts = (splits.train, splits.validation, splits.test)
    assert tuple(len(targets) for _, targets in parts) == task.examples
    rows = [{row.tobytes() for row in inputs.reshape(len(inputs), -1)} for inputs, _ in parts]
    for one, other in combinations(rows, 2):
        # Rules of tables are alike wherever they stand in a text.
        assert len(one & other) <= (0.01 * len(other) if name == "pydoc-charlm" else 0)
    for inputs, targets in parts:
        assert inputs.dtype in (np.float32, np.int64)
        assert targets.dtype == np.int64
        assert np.isfinite(inputs).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_is_a_split(name):
    problem = tasks.get(name).load()
    first, again, other = problem.load(1), problem.load(1), problem.load(2)
    np.testing.assert_array_equal(first.validation[0], again.validation[0])
    assert not np.array_equal(first.validation[0], other.validation[0])


def outputs_of(problem, inputs, seed):
    torch.manual_seed(seed)
    with torch.no_grad():
        return problem.model().eval()(inputs)


@pytest.mark.parametrize("name", NAMES)
def test_an_untrained_model_scores_about_chance(name):
    task = tasks.get(name)
    problem = task.load()
    inputs, targets = (torch.from_numpy(part) for part in problem.load(0).test)
    scores = [float(problem.score(outputs_of(problem, inputs, seed), targets)) for seed in range(8)]
    if task.name == "breast-cancer-mlp":
        # Two classes of unequal size: an untrained model prefers either, by chance.
        assert 1 - task.metric.chance - 0.06 < np.mean(scores) < task.metric.chance + 0.06
    else:
        assert np.mean(scores) == pytest.approx(task.metric.chance, rel=0.1, abs=0.06)


@pytest.mark.parametrize("name", NAMES)
def test_loss_and_score_are_the_same_one_by_one_and_stacked(name):
    problem = tasks.get(name).load()
    inputs, targets = (torch.from_numpy(part[:16]) for part in problem.load(0).test)
    outputs = torch.stack([outputs_of(problem, inputs, seed) for seed in range(3)])
    for measure in (problem.loss, problem.score):
        alone = torch.stack([measure(each, targets) for each in outputs])
        stacked = torch.vmap(measure)(outputs, targets.expand(3, *targets.shape))
        assert stacked.shape == (3,)
        torch.testing.assert_close(stacked, alone)


def test_unknown_tasks_are_named_with_those_there_are():
    with pytest.raises(UnknownTaskError, match=r"'digit-mlp'; did you mean 'digits-mlp'"):
        tasks.get("digit-mlp")


def test_a_name_is_taken_once():
    with pytest.raises(DuplicateTaskError, match="digits-mlp"):
        tasks.register(tasks.get("digits-mlp"))


def test_mnist1d_leaves_the_global_random_states_alone():
    code = """
import random, numpy as np
from workers.tasks.mnist1d import load
random.seed(3); np.random.seed(3)
expected = random.random(), np.random.rand()
random.seed(3); np.random.seed(3)
load(0)
assert (random.random(), np.random.rand()) == expected
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_published_recipe_has_every_training_signal():
    published, ours = load_published(0), tasks.get("mnist1d-mlp").load().load(0)
    assert len(published.train[1]) == 4000
    np.testing.assert_array_equal(published.test[0], ours.test[0])


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("mnist1d-linear", 410), ("mnist1d-mlp", 15210), ("mnist1d-cnn", 5210), ("mnist1d-gru", 5134)],
)
def test_mnist1d_models_have_the_published_sizes(name, parameters):
    model = tasks.get(name).load().model()
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_breast_cancer_is_standardised_by_its_training_split():
    splits = tasks.get("breast-cancer-mlp").load().load(3)
    np.testing.assert_allclose(splits.train[0].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(splits.train[0].std(axis=0), 1, atol=1e-5)
    assert abs(splits.test[0].mean(axis=0)).max() > 0.01


def test_the_character_model_sees_no_future():
    problem = tasks.get("pydoc-charlm").load()
    inputs = torch.from_numpy(problem.load(0).test[0][:4])
    changed = inputs.clone()
    changed[:, 40:] = (changed[:, 40:] + 1) % VOCABULARY
    before, after = (outputs_of(problem, each, 0) for each in (inputs, changed))
    torch.testing.assert_close(before[:, :40], after[:, :40])
    assert not torch.allclose(before[:, 40:], after[:, 40:])


def test_a_character_s_target_is_the_next_character():
    inputs, targets = tasks.get("pydoc-charlm").load().load(0).train
    np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    np.testing.assert_array_equal(inputs[1:40, 0], targets[:39, -1])


def test_the_catalogue_of_tasks_needs_no_torch():
    code = (
        "import workers.tasks, sys; assert workers.tasks.tasks(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
