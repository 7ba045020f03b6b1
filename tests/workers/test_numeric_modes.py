"""The options of the numeric mode train the same trials, as far as their rounding lets them."""

import numpy as np
import pytest
import torch
from torch._inductor.utils import run_and_get_code

from tests.workers.tiny_data import tiny_tasks
from workers import tasks
from workers.contracts import CURVES, Pack
from workers.training import StackedRun, train
from workers.training.program import NotTraceableError, compiler_for, traced

SCORE = CURVES.index("test_score")


def last(trials):
    return list(train(Pack(tuple(trials))))[-1].values


@pytest.fixture
def pair(trial):
    """The same two trials, with and without options."""

    def make(**options):
        rates = {"learning_rate": 0.01, "weight_decay": 0.1, "epochs": 4}
        names = ("adamw", "adam-lpwd")
        return (
            [trial(name, **rates, **options) for name in names],
            [
                trial(name, **rates, **{k: v for k, v in options.items() if k == "task"})
                for name in names
            ],
        )

    return make


def test_a_mode_is_part_of_a_trials_name(trial):
    options = ("amp", "channels_last", "compile", "cuda_graphs")
    keys = {trial().key, *(trial(**{option: True}).key for option in options)}
    assert len(keys) == 5


@pytest.mark.parametrize("task", ["digits-mlp", "digits-cnn"])
def test_bfloat16_where_that_is_safe_learns_as_well(pair, task):
    mixed, full = (last(trials) for trials in pair(amp=True, task=task))
    assert not np.array_equal(mixed, full)
    np.testing.assert_allclose(mixed[:, SCORE], full[:, SCORE], atol=0.05)


def test_weights_stay_in_full_precision_under_amp(trial):
    run = StackedRun(Pack((trial(amp=True), trial(amp=True, weight_decay=1.0))))
    run.train_epoch()
    assert {value.dtype for value in run._models.parameters.values()} == {torch.float32}


@pytest.mark.parametrize("count", [1, 2])
def test_channels_last_changes_the_layout_alone(trial, tiny, monkeypatch, count):
    task = next(task for task in tiny_tasks() if task.name == "cifar10-resnet20")
    monkeypatch.setitem(tasks._registry._items, task.name, task)
    runs = [
        StackedRun(
            Pack(
                tuple(
                    trial(weight_decay=d, task=task.name, batch_size=16, **options)
                    for d in range(count)
                )
            )
        )
        for options in ({"channels_last": True}, {})
    ]
    if count == 1:
        assert any(
            value[0].is_contiguous(memory_format=torch.channels_last)
            and not value[0].is_contiguous()
            for value in runs[0]._models.parameters.values()
            if value.ndim == 5
        )
    batches = [next(run.batches()) for run in runs]
    losses = [run.step(*batch) for run, batch in zip(runs, batches, strict=True)]
    torch.testing.assert_close(*losses)


def test_cuda_graphs_make_no_difference_on_a_cpu(pair):
    np.testing.assert_array_equal(*(last(trials) for trials in pair(cuda_graphs=True)))


@pytest.mark.skipif(not compiler_for(torch.device("cpu")), reason="needs a C++ compiler")
def test_compiled_steps_agree_with_eager_ones(trial):
    runs = [
        StackedRun(
            Pack(tuple(trial(o, 0.01, 0.3, compile=on) for o in ("adam-lpwd", "sgd-lpwd", "lion")))
        )
        for on in (True, False)
    ]
    losses = [
        np.stack(
            [run.step(*batch).numpy() for batch, _ in zip(run.batches(), range(6), strict=False)]
        )
        for run in runs
    ]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_without_a_compiler_it_runs_eager(trial, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert not compiler_for(torch.device("cpu"))
    compiled, eager = trial(compile=True), trial()
    np.testing.assert_array_equal(last([compiled, compiled]), last([eager, eager]))


def test_a_function_that_looks_at_values_is_not_traced():
    def doubled_while_small(x):
        return [x * 2 if float(x.sum()) < 10 else x]

    with pytest.raises(NotTraceableError):
        traced(doubled_while_small, [torch.ones(3)])


def test_a_program_changes_tensors_in_place_and_only_when_it_is_called():
    def grow(x, by):
        x.add_(by)
        return [x.sum()]

    x, by = torch.zeros(3), torch.ones(3)
    program = traced(grow, [x, by]).eager
    assert x.sum() == 0
    (total,) = program(x, by)
    assert (float(total), float(x.sum())) == (3.0, 3.0)


def test_programs_are_kept_for_packs_of_the_same_shape(trial):
    size = {"batch_size": 61}  # no other test trains with it
    first = Pack((trial(**size), trial(weight_decay=0.5, **size)))
    second = Pack((trial(weight_decay=0.2, **size), trial(learning_rate=0.003, **size)))
    other = Pack((*first.trials, trial("sgd-lpwd", **size)))

    def traces(pack):
        from workers.training import program

        before = set(program._kept)
        list(train(pack))
        return len(set(program._kept) - before)

    assert traces(first) > 0
    assert traces(second) == 0
    assert traces(other) > 0


@pytest.mark.skipif(not compiler_for(torch.device("cpu")), reason="needs a C++ compiler")
@pytest.mark.parametrize("apart", [True, False], ids=["apart", "overlapping"])
def test_a_compiled_program_changes_its_tensors_and_holds_constants(apart):
    def grow(x, by):
        x.add_(by)
        return [x[:2], x * torch.arange(3.0)]

    x, by = (torch.ones(3), torch.ones(3)) if apart else torch.ones(4).unfold(0, 3, 1)
    first, times = traced(grow, [x, by]).compiled([x, by])(x, by)
    assert x.tolist() == [2.0, 2.0, 2.0]
    assert first.tolist() == [2.0, 2.0]
    assert times.tolist() == [0.0, 2.0, 4.0]


@pytest.mark.skipif(not compiler_for(torch.device("cpu")), reason="needs a C++ compiler")
@pytest.mark.parametrize("trials", [1, 5])
def test_a_compiled_program_computes_the_numbers_of_trials_once(trials):
    def decay(weights, rates, count):
        return [weights * (rates / torch.expm1(count * -0.1)).view(-1, 1)]

    examples = [torch.rand(trials, 4096), torch.rand(trials), torch.tensor(3.0)]
    program = traced(decay, examples)
    compiled, (code,) = run_and_get_code(program.compiled, examples)
    kernel = code[: code.index("expm1(")].rsplit('extern "C"', 1)[1]
    loops = [line for line in kernel.splitlines() if "for(" in line]
    assert not any("4096L" in line for line in loops)
    torch.testing.assert_close(compiled(*examples), program.eager(*examples))
