"""Every task trains with rules of every kind, and stacked as it does alone."""

from itertools import islice

import numpy as np
import pytest

from tests.workers.reference import step_losses
from tests.workers.tiny_data import tiniest_tasks
from workers import tasks
from workers.contracts import Budget, NumericMode, Pack, Precision, TrialSpec
from workers.training import StackedRun

OPTIMIZERS = ("adamw", "adam-lpwd", "sgd-lpwd")
STEPS = 2


@pytest.fixture(params=[task.name for task in tiniest_tasks()])
def task(request, tiny, monkeypatch):
    """A task, on little data where the real ones must be fetched or take long."""
    chosen = next(task for task in tiniest_tasks() if task.name == request.param)
    monkeypatch.setitem(tasks._registry._items, chosen.name, chosen)
    return chosen


def trials_of(task, batch_size):
    budget = Budget(1, batch_size, numerics=NumericMode(Precision.FLOAT64))
    return [
        TrialSpec(task.name, task.version, optimizer, 1, 0.01, 0.5, 0, budget)
        for optimizer in OPTIMIZERS
    ]


def test_an_epoch_is_trained_stacked_as_it_is_alone(task):
    examples = len(task.load().load(0).train[1])
    trials = trials_of(task, batch_size=min(256, -(-examples // STEPS)))
    run = StackedRun(Pack(tuple(trials)))
    losses = np.array([run.step(*batch).tolist() for batch in run.batches()])
    loss, score = run.evaluate(lambda data: data.validation)
    assert loss.isfinite().all()
    assert not task.metric.percent or ((score >= 0) & (score <= 1)).all()
    single = np.array([list(step_losses(trial, 1)) for trial in trials]).T
    assert len(single) >= STEPS
    np.testing.assert_allclose(losses[:, np.argsort(run._order)], single, rtol=1e-8)


ALONE = ("digits-cnn", "mnist1d-gru", "svhn-cnn", "cifar10-resnet20", "pydoc-charlm")
"""Convolution, recurrence, dropout, running statistics, attention."""


@pytest.mark.parametrize("task", ALONE, indirect=True)
def test_a_pack_of_one_trains_as_any_loop_does(task):
    trial = trials_of(task, batch_size=8)[1]
    run = StackedRun(Pack((trial,)))
    losses = [run.step(*batch).item() for batch in islice(run.batches(), STEPS)]
    assert losses == pytest.approx(list(islice(step_losses(trial, 1), STEPS)), rel=1e-10)
