"""What only a GPU can prove. Skipped without one; test_conformance.py proves on fake GPU tensors
that a capturable step reads nothing."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

import lpwd

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
NAMES = ["adam-lpwd", "sgd-lpwd", "adamw", "adams", "adam-cautious", "adam-huber", "adamc"]
NAMES += ["adam-norm-control"]


def make(name: str, network: Any) -> tuple[nn.Module, lpwd.FamilyOptimizer]:
    model = network(dtype=torch.float32).cuda()
    optimizer = lpwd.build(name, lpwd.layer_groups(model), lr=0.01, weight_decay=0.5)
    for group in optimizer.param_groups:
        group["capturable"] = True
    return model, optimizer


@pytest.mark.parametrize("name", NAMES)
def test_a_training_step_in_a_cuda_graph_equals_the_eager_one(network: Any, name: str) -> None:
    eager, plain = make(name, network)
    captured, graphed = make(name, network)
    x = torch.randn(8, 4, device="cuda")

    def step(model: nn.Module, optimizer: lpwd.FamilyOptimizer) -> None:
        optimizer.decay()
        model(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):  # state must exist before the capture
            step(captured, graphed)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(captured, graphed)
    for _ in range(5):
        graph.replay()
    for _ in range(8):
        step(eager, plain)
    for one, other in zip(captured.parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_gpu_steps_as_the_cpu_does(network: Any, name: str) -> None:
    on_cpu = network()
    on_gpu = copy.deepcopy(on_cpu).cuda()
    ends = []
    for model in (on_cpu, on_gpu):
        optimizer = lpwd.build(name, lpwd.layer_groups(model), lr=0.01, weight_decay=0.5)
        x = torch.linspace(-1, 1, 32, dtype=torch.float64).reshape(8, 4)
        for _ in range(10):
            optimizer.decay()
            model(x.to(next(model.parameters()).device)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        ends.append([param.detach().cpu() for param in model.parameters()])
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-6, atol=1e-9)
