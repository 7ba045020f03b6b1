"""Every task keeps what it declares."""

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
import torch

import lpwd
from tests.workers.tiny_data import tiny_tasks
from workers import data, tasks
from workers.data.pydoc_text import VOCABULARY
from workers.errors import DataMissingError, DuplicateTaskError, UnknownTaskError
from workers.tasks.images import validation_size
from workers.tasks.mnist1d import load_published

# The large models as they are, their images not enlarged, so that they are quick.
TASKS = {task.name: task for task in tiny_tasks()}
BY_NAME = pytest.mark.parametrize("name", sorted(TASKS))
UNEQUAL = {"breast-cancer-mlp", "svhn-cnn"}
"""Classes of unequal size, where chance is the share of the largest."""

pytestmark = pytest.mark.usefixtures("tiny")


def splits_of(name, seed=0):
    splits = TASKS[name].load().load(seed)
    return splits.train, splits.validation, splits.test


def outputs_of(problem, inputs, seed=0):
    inputs = torch.from_numpy(inputs)
    torch.manual_seed(seed)
    with torch.no_grad():
        return problem.model().eval()(problem.prepare(inputs) if problem.prepare else inputs)


@BY_NAME
def test_splits_have_the_declared_sizes_and_do_not_overlap(name):
    parts, task = splits_of(name), TASKS[name]
    sizes = tuple(len(targets) for _, targets in parts)
    if task.download_bytes:
        train, validation, _ = task.examples
        assert validation == validation_size(train + validation)
        assert sizes == (108, 12, 40)  # of 120 and 40, split alike
    else:
        assert sizes == task.examples
    rows = [{row.tobytes() for row in inputs.reshape(len(inputs), -1)} for inputs, _ in parts]
    for one, other in combinations(rows, 2):
        # Rules of tables are alike wherever they stand in a text.
        assert len(one & other) <= (0.01 * len(other) if name == "pydoc-charlm" else 0)
    for inputs, targets in parts:
        assert inputs.dtype in (np.float32, np.int64, np.uint8)
        assert targets.dtype == np.int64
        assert np.isfinite(inputs).all()


@BY_NAME
def test_a_seed_is_a_split(name):
    first, again, other = (splits_of(name, seed)[1][0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@BY_NAME
def test_an_untrained_model_scores_about_chance(name):
    task = TASKS[name]
    problem = task.load()
    inputs, targets = problem.load(0).test
    scores = [
        float(problem.score(outputs_of(problem, inputs, seed), torch.from_numpy(targets)))
        for seed in range(2 if task.download_bytes else 8)
    ]
    if name in UNEQUAL or task.download_bytes:  # small data is no fair sample
        assert np.mean(scores) < task.metric.chance + 0.1
    else:
        assert np.mean(scores) == pytest.approx(task.metric.chance, rel=0.1, abs=0.06)


@BY_NAME
def test_loss_and_score_are_the_same_one_by_one_and_stacked(name):
    problem = TASKS[name].load()
    inputs, targets = (part[:16] for part in problem.load(0).test)
    outputs = outputs_of(problem, inputs)
    targets = torch.from_numpy(targets)
    right = torch.nn.functional.one_hot(targets, outputs.shape[-1]).to(outputs.dtype)
    outputs = torch.stack([outputs, -outputs, 9 * right])
    for measure in (problem.loss, problem.score):
        alone = torch.stack([measure(each, targets) for each in outputs])
        stacked = torch.vmap(measure)(outputs, targets.expand(3, *targets.shape))
        assert stacked.shape == (3,)
        assert len(set(alone.tolist())) > 1
        torch.testing.assert_close(stacked, alone)


@BY_NAME
def test_augmentation_is_declared_and_decided_by_the_generator(name):
    task = TASKS[name]
    problem = task.load()
    assert (problem.augment is None) == (task.augmentation == "none")
    if problem.augment is None:
        return
    batch = torch.from_numpy(problem.load(0).train[0][:32])
    before = batch.clone()
    first, again, other = (
        problem.augment(batch, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(batch, before)
    assert first.shape == batch.shape
    assert first.dtype == batch.dtype
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@BY_NAME
def test_layers_are_numbered_as_the_model_uses_them(name):
    problem = TASKS[name].load()
    inputs = torch.from_numpy(problem.load(0).train[0][:2])
    model = problem.model()
    table = lpwd.layer_table(model, problem.prepare(inputs) if problem.prepare else inputs)
    assert table.order == "use"
    weights = [name for name, one in model.named_parameters() if one.ndim >= 2]
    layer_of = {row.name: row.layer for row in table.rows}
    assert layer_of[weights[0]] == 1
    assert layer_of[weights[-1]] == table.layer_count


def test_without_its_data_a_task_says_what_fetches_it(tmp_path, monkeypatch):
    monkeypatch.setenv(data.FOLDER, str(tmp_path))
    task = tasks.get("cifar10-convnext-tiny")
    assert not task.here
    told = (
        "'cifar10-convnext-tiny' needs the data sets 'cifar10' .* and 'convnext-tiny-imagenet' .*: "
        "run `lpwd data fetch cifar10 convnext-tiny-imagenet`"
    )
    with pytest.raises(DataMissingError, match=told):
        task.load()


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
    inputs = problem.load(0).test[0][:4]
    changed = inputs.copy()
    changed[:, 40:] = (changed[:, 40:] + 1) % VOCABULARY
    before, after = (outputs_of(problem, each) for each in (inputs, changed))
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
