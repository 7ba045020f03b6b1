"""Shorter programs compute the same."""

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from workers.training.simplify import simplify


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
