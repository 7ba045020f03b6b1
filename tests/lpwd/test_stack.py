"""K models stacked along a leading axis step as K single models would."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

import lpwd
from lpwd import catalogue
from lpwd.errors import InvalidHyperparameter

Network = Callable[..., nn.Sequential]
OWN = [entry for entry in catalogue.entries() if entry.role != "external"]
RATES = torch.tensor([0.01, 0.03, 0.002], dtype=torch.float64)
DECAYS = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)


def stacked_views(models: list[nn.Sequential]) -> dict[str, Tensor]:
    """Stack the models between two others, and return views of their part, as a pack hands out."""
    result = {}
    for name, _ in models[0].named_parameters():
        own = [model.get_parameter(name).detach() for model in models]
        whole = torch.stack([torch.ones_like(own[0]), *own, torch.ones_like(own[0])])
        result[name] = whole[1:-1]
    return result


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("entry", OWN, ids=lambda entry: entry.name)
def test_a_stack_equals_its_singles(
    network: Network, batches: Any, train: Any, entry: Any, dtype: torch.dtype
) -> None:
    tolerance = {"rtol": 1e-10, "atol": 1e-12} if dtype is torch.float64 else {}
    models = [network(seed, dtype) for seed in range(3)]
    x, _ = next(batches(dtype=dtype))
    table = lpwd.layer_table(models[0], x)
    views = stacked_views(models)
    optimizer = lpwd.build(entry.name, table.groups(views), lr=RATES, weight_decay=DECAYS)
    template = network(dtype=dtype)

    def loss(params: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(functional_call(template, params, (x,)), y)

    gradients = vmap(grad(loss), in_dims=(0, None, None))
    for index, (x, y) in zip(range(12), batches(dtype=dtype), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = RATES if index < 6 else RATES * 0.5
        optimizer.decay()
        for name, gradient in gradients(views, x, y).items():
            views[name].grad = gradient
        optimizer.step()

    for k, model in enumerate(models):
        single = lpwd.build(
            entry.name,
            table.groups(model.named_parameters()),
            lr=float(RATES[k]),
            weight_decay=float(DECAYS[k]),
        )
        stream = batches(dtype=dtype)
        for index, (x, y) in zip(range(12), stream, strict=False):
            for group in single.param_groups:
                group["lr"] = float(RATES[k]) * (1.0 if index < 6 else 0.5)
            single.decay()
            nn.functional.cross_entropy(model(x), y).backward()
            single.step()
            single.zero_grad()
        for name, param in model.named_parameters():
            torch.testing.assert_close(views[name][k], param.detach(), **tolerance)


def test_neighbours_in_the_same_storage_are_left_alone(network: Network) -> None:
    whole = torch.ones(5, 3, 2)
    table = lpwd.layer_table(nn.Linear(2, 3, bias=False))
    part = whole[1:4]
    optimizer = lpwd.build(
        "adam-lpwd", table.groups({"weight": part}), lr=torch.full((3,), 0.1), weight_decay=0.5
    )
    for _ in range(2):
        optimizer.decay()
        part.grad = torch.ones_like(part)
        optimizer.step()
    assert torch.equal(whole[[0, 4]], torch.ones(2, 3, 2))
    assert not torch.any(part == 1)


def test_a_rate_of_zero_in_a_stack_leaves_its_model_where_it_is() -> None:
    """A schedule may end at 0; dividing by it must not make NaN."""
    weights = torch.ones(2, 3, 2)
    table = lpwd.layer_table(nn.Linear(2, 3, bias=False))
    optimizer = lpwd.build(
        "adamw", table.groups({"weight": weights}), lr=torch.tensor([0.0, 0.1]), weight_decay=0.5
    )
    weights.grad = torch.zeros_like(weights)
    weights.grad[:, 0] = 1.0
    optimizer.step()
    assert torch.equal(weights[0], torch.ones(3, 2))
    assert torch.isfinite(weights).all()
    assert not torch.equal(weights[1], torch.ones(3, 2))


def test_a_stack_of_the_wrong_height_is_refused() -> None:
    table = lpwd.layer_table(nn.Linear(2, 3, bias=False))
    with pytest.raises(InvalidHyperparameter, match=r"lr of shape \(4,\).*not one of shape \(2, 3"):
        lpwd.build(
            "adamw", table.groups({"weight": torch.ones(2, 3, 2)}), lr=torch.ones(4), weight_decay=0
        )
