"""Optimizers from elsewhere, wrapped: groups, rates, and what their factories may do with them."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lpwd
from lpwd.errors import InvalidHyperparameter


def model_and_table() -> tuple[nn.Module, lpwd.LayerTable]:
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2)).double()
    return model, lpwd.layer_table(model, decay_all=True)


def with_gradients(params: dict[str, Tensor]) -> None:
    for index, param in enumerate(params.values()):
        values = torch.linspace(-1, 1, param.numel(), dtype=torch.float64)
        param.grad = values.reshape(param.shape) + 0.1 * index


@pytest.mark.parametrize("stacked", [False, True])
def test_muon_cuts_a_group_up_and_its_vectors_get_adamws_rate(stacked: bool) -> None:
    model, table = model_and_table()
    named = {name: param.detach().clone() for name, param in model.named_parameters()}
    rate: Any = 0.02
    if stacked:
        named = {name: torch.stack([tensor, tensor]) for name, tensor in named.items()}
        rate = torch.tensor([0.02, 0.01], dtype=torch.float64)
    before = {name: tensor.clone() for name, tensor in named.items()}
    groups = table.groups(named)
    assert len(groups) == 1
    optimizer = lpwd.build("muon", groups, lr=rate, weight_decay=0.0, adamw_multiplier=0.5)
    with_gradients(named)
    optimizer.step()
    # AdamW's first step has the size of its rate, whatever the gradient.
    moved = (named["0.bias"] - before["0.bias"]).abs()
    expected = 0.5 * torch.as_tensor(rate).reshape(-1, *[1] * (moved.ndim - 1)).expand_as(moved)
    torch.testing.assert_close(moved, expected.double(), rtol=1e-5, atol=1e-9)
    assert not torch.equal(named["0.weight"], before["0.weight"])


def test_groups_keep_rates_of_their_own_and_follow_a_schedule() -> None:
    params = {"one": torch.ones(3), "two": torch.ones(3)}
    groups = [{"params": [params["one"]], "lr": 0.5}, {"params": [params["two"]]}]
    optimizer = lpwd.build("lion", groups, lr=0.1, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    for expected in ((0.5, 0.1), (0.25, 0.05)):
        before = {name: param.clone() for name, param in params.items()}
        for param in params.values():
            param.grad = torch.ones(3)
        optimizer.step()
        schedule.step()
        for (name, param), step in zip(params.items(), expected, strict=True):
            torch.testing.assert_close(before[name] - param, torch.full((3,), step))


def test_a_group_added_later_is_stepped() -> None:
    first, late = torch.ones(2, 3), torch.ones(2, 4)
    rates = torch.tensor([0.1, 0.2])
    optimizer = lpwd.build("lion", [first], lr=rates, weight_decay=0.0)
    optimizer.add_param_group({"params": [late]})
    first.grad, late.grad = torch.ones(2, 3), torch.ones(2, 4)
    optimizer.step()
    torch.testing.assert_close(1 - late, rates[:, None].expand(2, 4))
    with pytest.raises(InvalidHyperparameter, match="lr of shape"):
        optimizer.add_param_group({"params": [torch.ones(5, 2)]})
    assert len(optimizer.param_groups) == 2


def test_it_steps_as_the_bare_optimizer_does() -> None:
    wrapped, bare = torch.ones(3, 3).double(), torch.ones(3, 3).double()
    ours = lpwd.build("nadamw", [wrapped], lr=0.1, weight_decay=0.1)
    theirs = torch.optim.NAdam([bare], lr=0.1, weight_decay=0.1, decoupled_weight_decay=True)
    for step in range(5):
        wrapped.grad = bare.grad = torch.full((3, 3), 1.0 + step, dtype=torch.float64)
        ours.step()
        theirs.step()
    assert torch.equal(wrapped, bare)


def test_a_closure_is_evaluated_with_gradients() -> None:
    param = nn.Parameter(torch.ones(3))
    optimizer = lpwd.build("lion", [param], lr=0.1, weight_decay=0.0)

    def closure() -> float:
        loss = param.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 3.0
    assert torch.all(param < 1)


def test_a_single_models_failure_is_raised() -> None:
    param = torch.ones(4, 4)
    optimizer = lpwd.build("soap", [param], lr=0.1, weight_decay=0.0)
    param.grad = torch.full((4, 4), torch.nan)
    with pytest.raises(RuntimeError, match="eigh"):
        optimizer.step()
