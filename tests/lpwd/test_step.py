"""When the decay happens: `decay()`, `attach(model)`, `step(closure)`, and never twice."""

import copy
import gc
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lpwd
from lpwd import LPWD, layer_groups
from lpwd.errors import InvalidHyperparameter, MissingDecay, UnsupportedGradient

X = torch.linspace(-1, 1, 8, dtype=torch.float64).reshape(2, 4)


def loss_of(model: nn.Module) -> Tensor:
    result: Tensor = model(X).square().mean()
    return result


def make(network: Any, **options: Any) -> tuple[nn.Sequential, LPWD]:
    model = network()
    settings = {"lr": 0.1, "weight_decay": 0.5, **options}
    return model, LPWD(layer_groups(model, X), **settings)


def test_each_layer_decays_by_its_share(network: Any) -> None:
    model, optimizer = make(network)
    before = copy.deepcopy(model)
    optimizer.decay()
    for index, layer in ((0, 1), (3, 2), (5, 3)):
        expected = before[index].weight * (1 - 0.1 * 0.5 * (layer / 3))
        assert torch.equal(model[index].weight, expected)
        assert torch.equal(model[index].bias, before[index].bias)
    assert torch.equal(model[1].weight, before[1].weight)


def test_the_uncoupled_decay_leaves_the_learning_rate_out(network: Any) -> None:
    model, optimizer = make(network, coupled=False)
    before = copy.deepcopy(model)
    optimizer.decay()
    assert torch.equal(model[5].weight, before[5].weight * 0.5)


def test_decay_acts_once_per_step(network: Any) -> None:
    model, optimizer = make(network)
    optimizer.decay()
    once = copy.deepcopy(model)
    optimizer.decay()
    assert torch.equal(model[5].weight, once[5].weight)
    loss_of(model).backward()
    optimizer.step()
    stepped = model[5].weight.clone()
    optimizer.decay()
    assert not torch.equal(model[5].weight, stepped)


def test_forgetting_the_decay_raises_and_changes_nothing(network: Any) -> None:
    model, optimizer = make(network)
    before = copy.deepcopy(model)
    loss_of(model).backward()
    with pytest.raises(MissingDecay, match=r"call optimizer.decay\(\) before the forward pass"):
        optimizer.step()
    assert torch.equal(model[5].weight, before[5].weight)
    assert not optimizer.state


def test_a_closure_sees_decayed_weights_and_equals_the_loop(network: Any) -> None:
    by_loop, looped = make(network)
    by_closure, closed = make(network)
    for _ in range(3):
        looped.decay()
        loss = loss_of(by_loop)
        loss.backward()
        looped.step()
        looped.zero_grad()

        def closure() -> float:
            closed.zero_grad()
            loss = loss_of(by_closure)
            loss.backward()
            return loss.item()

        assert closed.step(closure) == loss.item()
    for one, other in zip(by_loop.parameters(), by_closure.parameters(), strict=True):
        assert torch.equal(one, other)


def test_attached_it_decays_once_per_step_in_training_mode_only(network: Any) -> None:
    model, optimizer = make(network)
    reference, by_hand = make(network)
    handle = optimizer.attach(model)
    model.eval()
    loss_of(model)
    assert torch.equal(model[5].weight, reference[5].weight)
    model.train()
    for _ in range(3):
        by_hand.decay()
        for _ in range(2):  # two batches accumulate into one step
            loss_of(model).backward()
            loss_of(reference).backward()
        for each in (optimizer, by_hand):
            each.step()
            each.zero_grad()
    for one, other in zip(model.parameters(), reference.parameters(), strict=True):
        assert torch.equal(one, other)
    handle.remove()
    loss_of(model).backward()
    with pytest.raises(MissingDecay):
        optimizer.step()


def test_a_copy_of_an_attached_model_does_not_decay(network: Any) -> None:
    model, optimizer = make(network)
    optimizer.attach(model)
    average = torch.optim.swa_utils.AveragedModel(model)
    loaded = pickle.loads(pickle.dumps(model))
    for each in (average.module, loaded):
        before = each[5].weight.clone()
        loss_of(each)
        assert torch.equal(each[5].weight, before)


def test_an_attached_model_does_not_keep_the_optimizer_alive(network: Any) -> None:
    model, optimizer = make(network)
    optimizer.attach(model)
    before = model[5].weight.clone()
    del optimizer
    gc.collect()
    loss_of(model)
    assert torch.equal(model[5].weight, before)


@pytest.mark.parametrize("name", ["sgdw", "adamw", "adam-rwd", "sgd-l2"])
def test_decay_does_nothing_where_the_step_decays(network: Any, name: str) -> None:
    model = network()
    before = copy.deepcopy(model)
    optimizer = lpwd.build(name, layer_groups(model, X), lr=0.1, weight_decay=0.5)
    optimizer.decay()
    assert torch.equal(model[5].weight, before[5].weight)
    loss_of(model).backward()
    optimizer.step()
    assert not torch.equal(model[5].weight, before[5].weight)


def test_frozen_parameters_are_left_alone(network: Any) -> None:
    model, optimizer = make(network)
    model[3].requires_grad_(False)
    before = copy.deepcopy(model)
    optimizer.decay()
    loss_of(model).backward()
    optimizer.step()
    assert torch.equal(model[3].weight, before[3].weight)
    assert not torch.equal(model[0].weight, before[0].weight)


def test_sparse_gradients_are_refused() -> None:
    model = nn.Embedding(5, 3, sparse=True)
    optimizer = LPWD(layer_groups(model, torch.tensor([1])))
    optimizer.decay()
    model(torch.tensor([1])).sum().backward()
    with pytest.raises(UnsupportedGradient, match="sparse=False"):
        optimizer.step()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -0.1}, "lr must be finite and >= 0, not -0.1"),
        ({"lr": float("nan")}, "lr must be finite"),
        ({"lr": True}, "lr must be a float"),
        ({"lr": torch.tensor([0.1, -0.1])}, "lr must be finite and >= 0"),
        ({"weight_decay": -1.0}, "weight_decay must be finite and >= 0, not -1.0"),
        ({"betas": (1.0, 0.9)}, "betas must be .*1.0"),
        ({"betas": (0.9,)}, r"betas must be two .*\(0.9,\)"),
        ({"eps": -1.0}, "eps must be >= 0, not -1.0"),
        ({"layer_schedule": "liner"}, "layer_schedule must be one of .*'liner'"),
    ],
)
def test_bad_settings_are_refused_by_name(
    network: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidHyperparameter, match=message):
        make(network, **options)


def test_l2_has_no_uncoupled_form(network: Any) -> None:
    with pytest.raises(InvalidHyperparameter, match="coupled=False means nothing to L2"):
        lpwd.Adam(network().parameters(), coupled=False)
