"""Shorter programs compute the same."""

from itertools import accumulate

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.profiler import ProfilerActivity, profile

from workers.training.measure import LiveTensors
from workers.training.sharing import NotInStepError
from workers.training.simplify import simplify
from workers.training.straight import straight_line


def program_of(function, *examples):
    graph = make_fx(function, tracing_mode="fake")(*examples)
    before = len(graph.graph.nodes)
    simplify(graph)
    return graph, before - len(graph.graph.nodes)


def test_views_that_lead_back_go():
    def there_and_back(x):
        y = x.mT.unsqueeze(0).detach().squeeze(0).mT
        return [y + 1, (x.view(6).view(2, 3) * 2).expand(2, 3)]

    x = torch.randn(2, 3)
    program, removed = program_of(there_and_back, x)
    assert removed >= 7
    for one, other in zip(program(x), there_and_back(x), strict=True):
        torch.testing.assert_close(one, other)


def test_other_views_of_the_same_shape_stay():
    def mixed(x):
        return [x.mT, x.flip(0), x[1:], x[:-1], x.view(2, 2).t() + 1]

    x = torch.arange(4.0).view(2, 2)
    program, _ = program_of(mixed, x)
    for one, other in zip(program(x), mixed(x), strict=True):
        torch.testing.assert_close(one, other)


def test_writes_through_a_view_reach_what_is_viewed():
    def write(x):
        x.mT.mT.mul_(2)
        x[0].detach().add_(1)
        return [x.sum()]

    one, other = torch.ones(2, 2), torch.ones(2, 2)
    program, _ = program_of(write, one)
    assert torch.equal(program(one)[0], write(other)[0])
    assert torch.equal(one, other)


def test_labels_for_a_profiler_go():
    def labelled(x):
        with torch.profiler.record_function("label"):
            return [x + 1]

    program, removed = program_of(labelled, torch.ones(1))
    assert removed == 2
    assert torch.equal(program(torch.ones(1))[0], torch.full((1,), 2.0))


def same(program, function, *inputs):
    """Run both on copies: results and what became of the inputs must be equal to the bit."""
    ran, ran_too = ([x.clone() for x in inputs] for _ in range(2))
    results = straight_line(program)(*ran), function(*ran_too)
    for one, other in zip([*results[0], *ran], [*results[1], *ran_too], strict=True):
        assert torch.equal(one, other)
    for one, other in zip(program(*(x.clone() for x in inputs)), results[0], strict=True):
        assert torch.equal(one, other)


def kernels(program):
    return [str(node.target) for node in program.graph.nodes if node.op == "call_function"]


def test_constants_are_computed_once():
    def with_constants(x):
        place = torch.arange(3).unsqueeze(0) * 2
        return [x * torch.ones_like(x.sum()) + place]

    x = torch.randn(2, 3)
    program, _ = program_of(with_constants, x)
    assert kernels(program) == ["aten.mul.Tensor", "aten.add.Tensor"]
    same(program, with_constants, x)


def test_constants_that_are_written_or_returned_are_made_anew():
    def fills(x):
        room = torch.zeros_like(x)
        room.add_(x)
        return [room, torch.arange(2)]

    x = torch.randn(2)
    program, _ = program_of(fills, x)
    same(program, fills, x)
    first, second = program(x), program(x)
    assert torch.equal(first[0], second[0])
    first[1].add_(1)
    assert program(x)[1].tolist() == [0, 1]


def test_what_is_equal_is_computed_once():
    def twice(x, y):
        return [(x * y).exp() + (x * y).exp(), x * 1, x * 1.0]

    x, y = torch.randn(3), torch.randn(3)
    program, _ = program_of(twice, x, y)
    assert kernels(program).count("aten.exp.default") == 1
    same(program, twice, x, y)


def test_what_was_changed_in_between_is_not_equal():
    def before_and_after(x, y):
        one = x.view(4) * y.view(4)
        part = x.unbind(0)[0]
        part.add_(1)
        return [one, x.view(4) * y.view(4), part.neg(), x[0].neg()]

    x, y = torch.randn(2, 2), torch.randn(2, 2)
    program, _ = program_of(before_and_after, x, y)
    same(program, before_and_after, x, y)


def test_results_are_memory_of_their_own():
    def alike(x):
        return [x + 1, x + 1]

    program, _ = program_of(alike, torch.ones(2))
    one, other = program(torch.ones(2))
    one.add_(1)
    assert torch.equal(other, torch.full((2,), 2.0))


def counting(weights, other, count, count_too):
    for tensor, steps in ((weights, count), (other, count_too)):
        torch._foreach_add_([steps], 1)
        (scale,) = torch._foreach_mul([steps], 0.5)
        tensor.mul_(scale)
    return []


def test_counts_in_step_are_counted_once():
    examples = torch.ones(2), torch.ones(3), torch.tensor(1.0), torch.tensor(1.0)
    graph = make_fx(counting, tracing_mode="fake")(*examples)
    simplify(graph, alike=[[2, 3]])
    assert len(kernels(graph)) == 4  # one addition, one product, two tensors scaled
    count = torch.tensor(1.0)
    weights, other = torch.ones(2), torch.ones(3)
    straight_line(graph)(weights, other, count, count)
    assert count == 2
    assert weights.tolist() == [1.0] * 2
    assert other.tolist() == [1.0] * 3


def test_counts_that_move_apart_are_refused():
    def apart(count, count_too):
        torch._foreach_add_([count], 1)
        torch._foreach_add_([count_too], 2)
        return []

    graph = make_fx(apart, tracing_mode="fake")(torch.tensor(1.0), torch.tensor(1.0))
    with pytest.raises(NotInStepError):
        simplify(graph, alike=[[0, 1]])


def test_a_straight_line_gives_memory_back():
    def long(x):
        for _ in range(8):
            x = x * 2
        return [x]

    graph = make_fx(long, tracing_mode="fake")(torch.ones(1 << 20))
    run = straight_line(graph)
    x = torch.ones(1 << 20)
    with LiveTensors([x]) as live:  # its mode has the program run as it was traced
        run(x)
    assert live.peak <= 3 * x.nbytes
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        run(x)
    events = [e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = list(accumulate(e.nbytes() for e in sorted(events, key=lambda one: one.start_ns())))
    assert x.nbytes <= max(now) <= 3 * x.nbytes


def test_a_straight_line_takes_arguments_of_every_kind():
    def various(x, places):
        with torch.no_grad():
            top, where = x.max(1)
            low, high = x.split([1, 2], 1)
            parts = [top, where.to(torch.float64), low.clone(memory_format=torch.contiguous_format)]
            parts += [x[:, places], x.clamp(min=0), x.sum(), x.sum((0, 1)), x + 1, 2 / x, high[1:]]
            parts += [torch.nn.functional.gelu(x, approximate="tanh"), torch.var_mean(x, 0)[0]]
            parts += torch._foreach_div([x, low], [2.0, 3.0])
            return [*parts, x.lerp(x.neg(), 1), torch.zeros(2, 3) + places, x.new_full((2,), 1)]

    x, places = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]]), torch.tensor([2, 0, 1])
    program, _ = program_of(various, x, places)
    same(program, various, x, places)


def calls_no_operator(graph, monkeypatch):
    call = next(node for node in graph.graph.nodes if node.op == "call_function")
    call.target = torch.Tensor.sub


def holds_a_program(graph, monkeypatch):
    graph.inner = make_fx(lambda x: [x])(torch.ones(1))
    with graph.graph.inserting_before(next(iter(graph.graph.nodes)).next):
        graph.graph.get_attr("inner")


def another_release(graph, monkeypatch):
    monkeypatch.delattr(torch._C, "_create_function_from_graph")


@pytest.mark.parametrize("change", [calls_no_operator, holds_a_program, another_release])
def test_what_the_interpreter_cannot_run_runs_as_traced_and_is_told(change, monkeypatch, caplog):
    graph = make_fx(lambda x: [x - 1])(torch.ones(1, requires_grad=True))
    change(graph, monkeypatch)
    graph.recompile()
    (found,) = straight_line(graph)(torch.ones(1, requires_grad=True))
    assert found.item() == 0
    assert not found.requires_grad
    assert "runs node by node" in caplog.text
    caplog.clear()


def test_an_operators_complaint_is_its_own():
    graph = make_fx(lambda x, y: [x @ y], tracing_mode="fake")(torch.ones(2, 2), torch.ones(2, 2))
    with pytest.raises(RuntimeError, match=r"^mat1 and mat2 shapes cannot be multiplied"):
        straight_line(graph)(torch.ones(2, 2), torch.ones(3, 2))
