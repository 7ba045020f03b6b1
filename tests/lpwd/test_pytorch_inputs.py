"""PyTorch's own table of SGD and Adam settings: at λ = 0 every rule equals `torch.optim`'s bits."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.testing._internal.common_optimizers import optim_db

import lpwd

INFO = {info.optim_cls: info for info in optim_db}
CASES = [
    (ours, theirs, case)
    for ours, theirs in (
        (lpwd.SGD, torch.optim.SGD),
        (lpwd.Adam, torch.optim.Adam),
        (lpwd.Adam, torch.optim.AdamW),
    )
    for case in INFO[theirs].optim_inputs_func(device="cpu")
]
RULES = ["l2", "decoupled", "real-time", "pre", "cautious", "corrected", "huber", "norm-control"]


@pytest.mark.parametrize(
    ("ours", "theirs", "case", "rule"),
    [
        (*case, rule)
        for case in CASES
        for rule in [*RULES, "scheduled", "lpwd"]
        if rule != "scheduled" or case[0] is lpwd.Adam  # SGD has no second moments
    ],
    ids=lambda value: getattr(value, "desc", None),
)
def test_every_setting_is_bit_equal_without_decay(
    network: Any, train: Any, ours: Any, theirs: Any, case: Any, rule: str
) -> None:
    settings = {**case.kwargs, "weight_decay": 0.0}
    mine, other = network(dtype=torch.float32), network(dtype=torch.float32)
    schedule = "linear" if rule == "lpwd" else None
    rule = "pre" if rule == "lpwd" else rule
    optimizer = ours(lpwd.layer_groups(mine), rule=rule, layer_schedule=schedule, **settings)
    train(mine, optimizer, 15)
    train(other, theirs(other.parameters(), **settings), 15)
    assert_equal_bits(mine, other)


@pytest.mark.parametrize(
    ("ours", "theirs", "case"), CASES, ids=lambda value: getattr(value, "desc", None)
)
def test_every_setting_is_bit_equal_with_its_own_decay(
    network: Any, train: Any, ours: Any, theirs: Any, case: Any
) -> None:
    mine, other = network(dtype=torch.float32), network(dtype=torch.float32)
    rule = "decoupled" if theirs is torch.optim.AdamW else "l2"
    settings = {"weight_decay": 0.05, **case.kwargs}
    train(mine, ours(mine.parameters(), rule=rule, **settings), 15)
    train(other, theirs(other.parameters(), **settings), 15)
    assert_equal_bits(mine, other)


def assert_equal_bits(ours: nn.Module, theirs: nn.Module) -> None:
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)


MISTAKES = [
    (ours, mistake.optimizer_error_input, mistake.error_type)
    for ours, theirs in ((lpwd.SGD, torch.optim.SGD), (lpwd.Adam, torch.optim.Adam))
    for mistake in INFO[theirs].optim_error_inputs_func(device="cpu", dtype=torch.float32)
    if "foreach" not in mistake.optimizer_error_input.kwargs  # we have no such option
]


@pytest.mark.parametrize(
    ("ours", "mistake", "error"), MISTAKES, ids=lambda value: getattr(value, "desc", None)
)
def test_what_pytorch_refuses_is_refused_with_the_same_kind_of_error(
    ours: Any, mistake: Any, error: type[Exception]
) -> None:
    params = [torch.ones(1)] if mistake.params is None else mistake.params
    with pytest.raises(error):
        ours(params, **mistake.kwargs)


def test_the_table_holds_what_we_think_it_holds() -> None:
    assert len(CASES) >= 15
    settings = [key for _, _, case in CASES for key in case.kwargs]
    assert {"momentum", "nesterov", "dampening", "amsgrad", "maximize"} <= set(settings)
