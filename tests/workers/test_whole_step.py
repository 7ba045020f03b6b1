"""A training step as one program: the same numbers as its parts, one after the other."""

from itertools import islice

import pytest
import torch

from workers.contracts import LearningRateSchedule, Pack
from workers.training import StackedRun
from workers.training.program import compiler_for

EVERY_KIND = ("adamw", "adam-l2", "adam-lpwd", "sgd-lpwd", "sgdw", "adam-rwd")
"""Decay before the forward pass and after it; with counts of steps and without."""


@pytest.fixture
def mixed(trial):
    """Trials of several optimizers and seeds, whose learning rates move."""
    return [
        trial(optimizer, 0.01, 0.3, seed=seed, schedule=LearningRateSchedule.COSINE)
        for optimizer in EVERY_KIND
        for seed in (0, 1)
    ]


def by_parts(run, inputs, targets):
    """Take a step of a run part by part."""
    run._whole_steps[targets.shape[1]] = None
    return run.step(inputs, targets)


def equal(one, other):
    weights, others = one.state()["parameters"], other.state()["parameters"]
    return all(torch.equal(value, others[name]) for name, value in weights.items())


def test_it_is_its_parts_to_the_bit(mixed):
    whole, parts = StackedRun(Pack(tuple(mixed))), StackedRun(Pack(tuple(mixed)))
    for batch in whole.batches():  # the last of an epoch is a smaller one
        losses = whole.step(*batch)
        assert torch.equal(losses, by_parts(parts, *batch))
        assert equal(whole, parts)
    assert all(step is not None for step in whole._whole_steps.values())
    assert len(whole._whole_steps) == 2


def test_it_goes_on_where_trials_have_left(mixed):
    whole, parts = StackedRun(Pack(tuple(mixed))), StackedRun(Pack(tuple(mixed)))
    gone = {0, 1, 5}  # all of one optimizer, half of another
    for run, step in ((whole, StackedRun.step), (parts, by_parts)):
        batches = list(islice(run.batches(), 4))
        for batch in batches[:2]:
            step(run, *batch)
        run.leave(gone)
        for batch in batches[2:]:
            step(run, *batch)
    assert equal(whole, parts)
    assert whole._whole_steps[64] is not None


@pytest.mark.parametrize("alone", [True, False])
def test_an_optimizer_that_runs_as_written_has_its_pack_run_by_parts(trial, alone):
    trials = [trial("schedule-free-adamw", 0.01, 0.1)] + [trial("adamw")] * (not alone)
    run = StackedRun(Pack(tuple(trials)))
    first, *_, last = [run.step(*batch) for batch in islice(run.batches(), 6)]
    assert run._whole_steps == {64: None}
    assert (last < first).all()


@pytest.mark.skipif(not compiler_for(torch.device("cpu")), reason="needs a C++ compiler")
def test_one_optimizer_is_compiled_as_a_whole(trial):
    compiled, eager = (
        StackedRun(Pack(tuple(trial("adam-lpwd", n, compile=on) for n in (0.01, 0.02))))
        for on in (True, False)
    )
    for batch in islice(compiled.batches(), 4):
        torch.testing.assert_close(compiled.step(*batch), eager.step(*batch), rtol=1e-4, atol=0)
    assert compiled._whole_steps[64] is not None
