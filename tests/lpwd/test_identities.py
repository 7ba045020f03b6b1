"""What the rules have in common, exactly: the RWD/PWD identity, and λ = 0."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lpwd
from lpwd import catalogue

Train = Callable[..., list[Tensor]]
Network = Callable[..., nn.Sequential]
OWN = [entry for entry in catalogue.entries() if entry.role != "external"]


@pytest.mark.parametrize("base", ["sgd", "adam"])
def test_real_time_decay_is_pre_decay_seen_after_the_decay(
    network: Network, train: Train, base: str
) -> None:
    """From (1 − k)θ₀, RWD takes PWD's gradients, and ends at (1 − k) times PWD's weights."""
    lr, weight_decay = 0.01, 0.3
    shrinkage = 1 - lr * weight_decay
    pre, real_time = network(), network()
    with torch.no_grad():
        for param in real_time.parameters():
            param.mul_(shrinkage)

    def build(model: nn.Module, rule: str) -> torch.optim.Optimizer:
        return lpwd.build(
            f"{base}-{rule}", list(model.parameters()), lr=lr, weight_decay=weight_decay
        )

    losses = train(pre, build(pre, "pwd"), 200)
    assert torch.equal(
        torch.stack(losses), torch.stack(train(real_time, build(real_time, "rwd"), 200))
    )
    for before, after in zip(pre.parameters(), real_time.parameters(), strict=True):
        assert torch.equal(before * shrinkage, after)


@pytest.mark.parametrize("base", ["sgd", "adam"])
def test_without_decay_every_rule_is_the_same(network: Network, train: Train, base: str) -> None:
    ends: dict[str, list[Tensor]] = {}
    for entry in OWN:
        if entry.base == base:
            model = network()
            groups = lpwd.layer_groups(model, torch.zeros(2, 4, dtype=torch.float64))
            optimizer = lpwd.build(entry.name, groups, lr=0.01, weight_decay=0.0)
            train(model, optimizer, 20)
            ends[entry.name] = list(model.parameters())
    assert len(ends) >= 5
    first = next(iter(ends.values()))
    for name, params in ends.items():
        assert all(torch.equal(a, b) for a, b in zip(first, params, strict=True)), name


@pytest.mark.parametrize("entry", OWN, ids=lambda entry: entry.name)
def test_with_decay_no_two_rules_are_the_same(network: Network, train: Train, entry: Any) -> None:
    """Guard of the test above: the decay does reach the weights, and differs by rule."""
    decayed, free = network(), network()
    for model, weight_decay in ((decayed, 0.5), (free, 0.0)):
        groups = lpwd.layer_groups(model, torch.zeros(2, 4, dtype=torch.float64))
        train(model, lpwd.build(entry.name, groups, lr=0.05, weight_decay=weight_decay), 20)
    assert not torch.equal(decayed[-1].weight, free[-1].weight)
