"""Training a pack is training its trials one by one: for every rule, step by step."""

from itertools import islice

import numpy as np
import pytest

import lpwd.catalogue
from tests.workers.reference import step_losses
from workers.contracts import LearningRateSchedule, Pack, Precision
from workers.training import StackedRun

OPTIMIZERS = [entry.name for entry in lpwd.catalogue.entries()]
COMPARABLE = {"soap": 2, "muon": 3}
"""Steps after which these may part, since they blow rounding up by design: SOAP's eigenvectors are
arbitrary where eigenvalues coincide, Muon's Newton-Schulz runs in bfloat16. All others agree at
every step."""
TOLERANCE = {Precision.FLOAT64: 1e-10, Precision.FLOAT32: 1e-4}


def stacked_losses(trials):
    """Losses of every step of the first epoch, (steps, K), in the order of `trials`."""
    run = StackedRun(Pack(tuple(trials)))
    losses = np.stack([run.step(x, y).double().numpy() for x, y in run.batches()])
    return losses[:, np.argsort(run._order)]


def single_losses(trials, steps):
    return np.array([list(islice(step_losses(trial, 1), steps)) for trial in trials]).T


@pytest.mark.parametrize("precision", list(TOLERANCE))
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_losses_of_the_first_epoch_agree(trial, optimizer, precision):
    rates = {"learning_rate": 0.01} if "adam" in optimizer else {"learning_rate": 0.1}
    trials = [
        trial(optimizer, weight_decay=decay, seed=seed, precision=precision, **rates)
        for decay in (0.0, 0.1, 1.0)
        for seed in (0, 7)
    ]
    stacked = stacked_losses(trials)
    assert stacked.shape == (17, len(trials))
    steps = COMPARABLE.get(optimizer, 17)
    single = single_losses(trials, steps)
    np.testing.assert_allclose(stacked[:steps], single, rtol=TOLERANCE[precision], atol=0)


def test_many_optimizers_in_one_pack_do_not_mix(trial):
    trials = [
        trial(optimizer, rate, decay, seed, precision=Precision.FLOAT64)
        for seed in (3, 1)
        for optimizer in ("adam-lpwd", "adamw", "sgd-rwd")
        for rate, decay in ((0.01, 0.5), (0.003, 0.0))
    ]
    np.testing.assert_allclose(
        stacked_losses(trials), single_losses(trials, 17), rtol=1e-10, atol=0
    )


@pytest.mark.parametrize("schedule", list(LearningRateSchedule))
def test_learning_rate_schedules_agree(trial, schedule):
    trials = [
        trial("adam-lpwd", rate, 0.3, schedule=schedule, epochs=1, precision=Precision.FLOAT64)
        for rate in (0.01, 0.03)
    ]
    np.testing.assert_allclose(
        stacked_losses(trials), single_losses(trials, 17), rtol=1e-10, atol=0
    )


def test_a_residual_model_agrees(trial):
    trials = [
        trial("adam-lpwd", 0.01, decay, task="mnist1d-mlp", batch_size=500, precision="float64")
        for decay in (0.0, 0.5)
    ]
    stacked = stacked_losses(trials)
    np.testing.assert_allclose(stacked, single_losses(trials, len(stacked)), rtol=1e-10, atol=0)
