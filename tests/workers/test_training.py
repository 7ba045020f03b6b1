"""A pack from its first epoch to its last."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from workers import tasks
from workers.contracts import CURVES, Pack, Precision
from workers.errors import NotStackableError
from workers.training import StackedRun, train

BEST = CURVES.index("test_score")


def curves(trials):
    """(epochs, K, columns)."""
    return np.stack([report.values for report in train(Pack(tuple(trials)))])


def test_it_learns_and_tells_of_every_epoch(trial):
    trials = [trial(optimizer, epochs=8) for optimizer in ("adamw", "adam-lpwd")]
    reports = list(train(Pack(tuple(trials))))
    assert [report.epoch for report in reports] == list(range(1, 9))
    assert not any(report.diverged for report in reports)
    final = reports[-1].values
    assert final.shape == (2, len(CURVES))
    assert final.dtype == np.float32
    assert (final[:, BEST] > 0.93).all()
    assert (final[:, 0] < reports[0].values[:, 0] / 3).all()


def test_the_same_trial_gives_the_same_numbers_in_any_pack(trial):
    """Pairing and reuse rest on it: who else is in the pack does not matter."""
    wanted = trial("adam-lpwd", 0.01, 0.3, seed=5, precision=Precision.FLOAT64)
    others = [trial("adamw", 0.02, 0.1, seed=s, precision=Precision.FLOAT64) for s in (5, 9)]
    alone = curves([wanted])
    np.testing.assert_allclose(curves([others[0], wanted, others[1]])[:, 1], alone[:, 0], rtol=1e-6)


def test_twice_is_bit_equal(trial):
    trials = [trial("adam-lpwd", seed=s) for s in (0, 1)]
    np.testing.assert_array_equal(curves(trials), curves(trials))


def test_one_seed_starts_every_optimizer_alike(trial):
    run = StackedRun(
        Pack(tuple(trial(o, 0.01, d) for o in ("adamw", "sgd-l2") for d in (0.0, 1.0)))
    )
    losses = run.step(*next(run.batches()))
    assert len(set(losses.tolist())) == 1


def test_seeds_differ_in_start_batches_and_split(trial):
    run = StackedRun(Pack((trial(seed=0), trial(seed=1))))
    inputs, targets = next(run.batches())
    assert not torch.equal(inputs[0], inputs[1])
    assert not torch.equal(targets[0], targets[1])
    first, second = run._data.data
    assert not torch.equal(first.test.targets, second.test.targets)


def test_without_decay_the_rules_are_one(trial):
    rules = ("adam-l2", "adamw", "adam-rwd", "adam-pwd", "adam-lpwd")
    found = curves([trial(rule, weight_decay=0.0) for rule in rules])
    for position in range(1, len(rules)):
        np.testing.assert_array_equal(found[:, position], found[:, 0])


def test_schedule_free_is_evaluated_at_its_average_and_trains_on_where_it_was(trial):
    trials = [trial("schedule-free-adamw", 0.01, 0.1, seed=s) for s in (0, 1)]
    run = StackedRun(Pack(tuple(trials)))
    for inputs, targets in run.batches():
        run.step(inputs, targets)
    at_training_point = [value.clone() for value in run.evaluate(lambda data: data.validation)]
    weights = {name: value.clone() for name, value in run._models.parameters.items()}
    for optimizer in run._optimizers:
        optimizer.evaluating(True)
    at_average = run.evaluate(lambda data: data.validation)
    for optimizer in run._optimizers:
        optimizer.evaluating(False)
    assert not torch.allclose(at_average[0], at_training_point[0], rtol=1e-3)
    for name, value in run._models.parameters.items():
        torch.testing.assert_close(value, weights[name], rtol=1e-4, atol=1e-6)
    reported = StackedRun(Pack(tuple(trials))).train_epoch().values
    np.testing.assert_allclose(
        reported[:, CURVES.index("validation_loss")], at_average[0].numpy(), rtol=1e-5
    )


def test_a_diverged_trial_is_told_once_and_leaves_the_others_alone(trial):
    # k = ηλ = 500: every step turns the weights over and makes them 499 times larger.
    wild = trial("adamw", 1.0, 500.0, epochs=4)
    tame = trial("adamw", 0.01, 0.1, epochs=4)
    reports = list(train(Pack((tame, wild, tame))))
    told = [(r.epoch, k, why) for r in reports for k, why in r.diverged.items()]
    assert len(told) == 1
    epoch, position, why = told[0]
    assert position == 1
    assert "not a finite number" in why
    assert f"epoch {epoch}" in why
    np.testing.assert_array_equal(reports[-1].values[0], reports[-1].values[2])
    np.testing.assert_array_equal(
        np.stack([r.values[0] for r in reports]), curves([tame, tame, tame])[:, 0]
    )


def test_a_loss_far_above_its_start_is_divergence_at_the_end(trial):
    explosive = trial("sgd-l2", 40.0, 0.0, epochs=2)
    reports = list(train(Pack((explosive,))))
    assert list(reports[-1].diverged) == [0]
    assert reports[-1].diverged[0]


def test_a_pack_of_which_all_diverged_ends_early(trial):
    assert len(list(train(Pack((trial("adamw", 1.0, 500.0, epochs=50),))))) < 50


def test_batches_may_be_larger_than_the_data(trial):
    run = StackedRun(Pack((trial(batch_size=10_000),)))
    assert run.steps == 2
    assert run.train_epoch().values.shape == (1, len(CURVES))


def test_every_example_is_seen_once_an_epoch(trial):
    run = StackedRun(Pack((trial(batch_size=100, seed=3),)))
    seen = torch.cat([targets[0] for _, targets in run.batches()])
    (data,) = run._data.data
    assert torch.equal(seen.sort().values, data.train.targets.sort().values)


def test_strong_decay_collapses_to_chance(trial):
    final = curves([trial("adamw", 0.001, 900.0, epochs=5)])[-1, 0]
    assert final[BEST] < 0.3
    assert final[CURVES.index("validation_loss")] == pytest.approx(np.log(10), rel=0.05)


class Jittered(nn.Linear):
    """A layer that shakes its inputs with numbers from the global generator."""

    def forward(self, inputs):
        return super().forward(inputs + torch.rand_like(inputs))


def test_chance_that_no_seed_fixes_is_refused(trial, monkeypatch):
    jittered = replace(tasks.get("digits-mlp"), name="jittered", problem=f"{__name__}:JITTERED")
    monkeypatch.setitem(tasks._registry._items, "jittered", jittered)
    with pytest.raises(NotStackableError, match="Jittered draws random numbers of its own"):
        StackedRun(Pack((trial(task="jittered"),)))


JITTERED = replace(tasks.get("digits-mlp").load(), model=lambda: Jittered(64, 10))
