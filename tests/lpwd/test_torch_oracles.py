"""Where a rule coincides with `torch.optim`, the weights are equal to the last bit."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import lpwd

SGD_SETTINGS: list[dict[str, Any]] = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.9, "maximize": True},
]
ADAM_SETTINGS: list[dict[str, Any]] = [
    {},
    {"betas": (0.8, 0.95), "eps": 1e-6},
    {"amsgrad": True},
    {"maximize": True},
]
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
FOREACH = pytest.mark.parametrize("foreach", [True, False])
DECAY = pytest.mark.parametrize("weight_decay", [0.0, 0.3])
Train = Callable[..., list[torch.Tensor]]
Network = Callable[..., nn.Sequential]


def assert_equal_bits(ours: nn.Module, theirs: nn.Module) -> None:
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)


@DTYPES
@FOREACH
@DECAY
@pytest.mark.parametrize("settings", SGD_SETTINGS)
def test_sgd(
    network: Network,
    train: Train,
    settings: dict[str, Any],
    weight_decay: float,
    foreach: bool,
    dtype: torch.dtype,
) -> None:
    mine, other = network(dtype=dtype), network(dtype=dtype)
    settings = {**settings, "lr": 0.05, "weight_decay": weight_decay}
    train(mine, lpwd.SGD(mine.parameters(), **settings), 20)
    train(other, torch.optim.SGD(other.parameters(), foreach=foreach, **settings), 20)
    assert_equal_bits(mine, other)


@DTYPES
@FOREACH
@DECAY
@pytest.mark.parametrize("rule", ["l2", "decoupled"])
@pytest.mark.parametrize("settings", ADAM_SETTINGS)
def test_adam_and_adamw(
    network: Network,
    train: Train,
    settings: dict[str, Any],
    rule: str,
    weight_decay: float,
    foreach: bool,
    dtype: torch.dtype,
) -> None:
    mine, other = network(dtype=dtype), network(dtype=dtype)
    settings = {**settings, "lr": 0.01, "weight_decay": weight_decay}
    oracle = torch.optim.Adam if rule == "l2" else torch.optim.AdamW
    train(mine, lpwd.Adam(mine.parameters(), rule=rule, **settings), 20)
    train(other, oracle(other.parameters(), foreach=foreach, **settings), 20)
    assert_equal_bits(mine, other)
