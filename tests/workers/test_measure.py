"""What measuring finds out, held against packs as they are."""

import subprocess
import sys
from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from workers.contracts import NumericMode, Pack
from workers.errors import UnknownTaskError
from workers.packing import pack_bytes
from workers.training import StackedRun
from workers.training.measure import LiveTensors, fit, measure


def trials_of(trial, task, count, optimizers=("adamw", "sgd-lpwd"), **more):
    return [
        trial(optimizers[i // 8 % len(optimizers)], 0.001 * (i + 1), task=task, **more)
        for i in range(count)
    ]


def allocated(pack):
    """Peak of a pack's memory over an epoch, as torch's allocator reports it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        run = StackedRun(pack)
        run.train_epoch()
    events = profiled.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    now = peak = 0
    for _, change in changes:
        now += change
        peak = max(peak, now)
    return peak


@pytest.fixture
def unhurried(monkeypatch):
    """Have stacks be tried whatever they take: other things run here, too."""
    for limit in ("SLOWER", "PATIENCE"):
        monkeypatch.setattr(f"workers.training.measure.{limit}", float("inf"))


@pytest.mark.parametrize(("task", "size"), [("digits-mlp", 64), ("digits-cnn", 24)])
def test_a_pack_takes_the_memory_that_was_predicted(trial, unhurried, task, size):
    found = measure(trials_of(trial, task, 12))
    assert max(found.seconds) == 12 < size
    pack = Pack(tuple(trials_of(trial, task, size)))
    assert pack_bytes(found, size) == pytest.approx(allocated(pack), rel=0.2)


def test_a_measurement_tells_what_planning_needs(trial, unhurried):
    found = measure(trials_of(trial, "digits-mlp", 20))
    assert {1, 4, 16} <= set(found.seconds)
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert found.seconds[16] < found.seconds[1]
    assert 0 < found.start_seconds < 60
    assert found.free_bytes > 10**7
    assert set(found.busy) == set(found.seconds)


def test_what_is_traced_already_is_told_from_what_is_not(trial, monkeypatch):
    monkeypatch.setattr("workers.training.program._kept", OrderedDict())
    trials = trials_of(trial, "digits-mlp", 16)
    new = measure(trials)
    assert new.start_seconds < new.tracing_seconds < 60
    assert measure(trials).tracing_seconds < new.tracing_seconds


def test_a_little_work_is_not_worth_much_measuring(trial, monkeypatch):
    monkeypatch.setattr("workers.training.measure.PATIENCE", 0.0)
    assert set(measure(trials_of(trial, "digits-mlp", 64)).seconds) == {1}


def test_one_trial_alone_can_be_measured(trial):
    found = measure(trials_of(trial, "digits-mlp", 1))
    assert set(found.seconds) == {1}
    assert found.trial_bytes > 0


def test_modes_that_take_long_to_start_are_measured_without(trial, unhurried):
    wanted = trials_of(trial, "digits-mlp", 4, compile=True, cuda_graphs=True)
    assert wanted[0].budget.numerics == NumericMode(compile=True, cuda_graphs=True)
    assert set(measure(wanted).seconds) == {1, 4, 2}


def test_what_training_would_raise_is_raised(trial):
    with pytest.raises(UnknownTaskError, match="no-such-task"):
        measure([replace(trial(), task="no-such-task")])


def test_memory_that_ends_ends_the_measuring():
    program = """
from dataclasses import replace
import torch
from workers.contracts import Budget, TrialSpec
from workers.memory import limit
from workers.training.measure import measure
torch.set_num_threads(1)
budget = Budget(2, 64)
trials = [TrialSpec("digits-cnn", 1, "adamw", 1, 0.01, 0.001 * i, 0, budget) for i in range(128)]
measure(trials[:2])
limit(30_000_000)
found = measure(trials, epochs=10**5)
print(max(found.seconds), found.free_bytes, found.trial_bytes)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    largest, free, each = map(int, done.stdout.split())
    assert 4 <= largest < 128
    assert free < 35_000_000
    assert 0 < largest * each < free


def test_a_size_that_fits_but_once_is_left_out(trial, monkeypatch):
    def start(pack, device):
        if len(pack.trials) > 1:
            raise MemoryError
        return 0.5

    monkeypatch.setattr("workers.training.measure._start_seconds", start)
    found = measure(trials_of(trial, "digits-mlp", 4))
    assert set(found.seconds) == set(found.busy) == {1}
    assert found.start_seconds == 0.5


def test_a_line_goes_through_the_smallest_and_the_largest_stack():
    assert fit({}, 100) == (0, 0)
    assert fit({1: 150}, 100) == (100, 50)
    assert fit({1: 40}, 100) == (40, 0)
    assert fit({1: 1, 4: 100 + 4 * 7}, 100) == (100, 7)
    assert fit({1: 1, 4: 128, 16: 3, 64: 100 + 64 * 7}, 50) == (100, 7)
    assert fit({2: 50, 4: 40}, 10) == (40, 0)


def test_the_trackers_see_what_lives_and_forget_what_does_not():
    known = torch.zeros(1000)
    with LiveTensors([known]) as live:
        one = torch.zeros(1000)
        other = one.view(10, 100) + 1
        del one
        for _ in range(5):
            twice = other * 2  # the one before lives until this one is there
    assert live.peak == 4 * 1000 * 4
    assert twice is not None
