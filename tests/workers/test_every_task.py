"""Every task trains with rules of every kind, and stacked as it does alone."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from tests.workers.reference import step_losses
from tests.workers.tiny_data import tiny_tasks
from workers import tasks
from workers.contracts import CURVES, Budget, NumericMode, Pack, Precision, TrialSpec
from workers.training import StackedRun, train

OPTIMIZERS = ("adamw", "adam-lpwd", "sgd-lpwd")
STEPS = 2


@pytest.fixture(params=[task.name for task in tiny_tasks()])
def task(request, tiny, monkeypatch):
    """A task, on little data where the real ones must be fetched."""
    chosen = next(task for task in tiny_tasks() if task.name == request.param)
    if chosen.name == "pydoc-charlm":
        chosen = replace(chosen, problem="tests.workers.tiny_data:CHARLM")
    monkeypatch.setitem(tasks._registry._items, chosen.name, chosen)
    return chosen


def trials_of(task, *, batch_size, precision, seeds=(0,)):
    budget = Budget(1, batch_size, numerics=NumericMode(precision))
    return [
        TrialSpec(task.name, task.version, optimizer, 1, 0.01, 0.5, seed, budget)
        for seed in seeds
        for optimizer in OPTIMIZERS
    ]


def test_it_trains_an_epoch(task):
    batch_size = max(task.batch_size, 256)  # few steps: what is asked is whether it trains at all
    (report,) = train(Pack(tuple(trials_of(task, batch_size=batch_size, precision="float32"))))
    assert not report.diverged
    assert np.isfinite(report.values).all()
    if not task.metric.percent:
        return
    scores = report.values[:, [CURVES.index("validation_score"), CURVES.index("test_score")]]
    assert ((scores >= 0) & (scores <= 1)).all()


def test_stacked_equals_single(task):
    trials = trials_of(task, batch_size=8, precision=Precision.FLOAT64)
    run = StackedRun(Pack(tuple(trials)))
    losses = [run.step(*batch).numpy().copy() for batch in islice(run.batches(), STEPS)]
    stacked = np.array(losses)[:, np.argsort(run._order)]
    single = np.array([list(islice(step_losses(trial, 1), STEPS)) for trial in trials]).T
    np.testing.assert_allclose(stacked, single, rtol=1e-8)


ALONE = ("digits-cnn", "mnist1d-gru", "svhn-cnn", "cifar10-resnet20", "pydoc-charlm")
"""Convolution, recurrence, dropout, running statistics, attention."""


@pytest.mark.parametrize("task", ALONE, indirect=True)
def test_a_pack_of_one_trains_as_any_loop_does(task):
    trial = trials_of(task, batch_size=8, precision=Precision.FLOAT64)[1]
    run = StackedRun(Pack((trial,)))
    losses = [run.step(*batch).item() for batch in islice(run.batches(), STEPS)]
    assert losses == pytest.approx(list(islice(step_losses(trial, 1), STEPS)), rel=1e-10)
