"""The diagnostics measure what their definitions say, and leave training as it was."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lpwd
from lpwd.diagnostics import StepDiagnostics, decay_effect
from lpwd.errors import InvalidHyperparameter

LR, DECAY = 0.1, 0.5


def measured(rule: str, theta: Tensor, grad: Tensor) -> Any:
    param = theta.clone()
    optimizer = lpwd.SGD([param], lr=LR, weight_decay=DECAY, rule=rule)
    with StepDiagnostics(optimizer, every=1) as diagnostics:
        optimizer.decay()
        param.grad = grad
        optimizer.step()
    return diagnostics.latest[0]


def test_the_opposing_rate_is_the_papers_inequality() -> None:
    """Decoupled decay enlarges a weight exactly where θ·w' < kθ²/2, w' = θ − ηu."""
    theta = torch.randn(4000, dtype=torch.float64)
    grad = 3.0 * torch.randn(4000, dtype=torch.float64)
    expected = (theta * (theta - LR * grad) < LR * DECAY * theta.square() / 2).double().mean()
    assert 0.02 < expected < 0.5
    torch.testing.assert_close(measured("decoupled", theta, grad).opposing_rate, expected)


def test_real_time_decay_never_opposes_and_pre_decay_does() -> None:
    theta = torch.randn(4000, dtype=torch.float64)
    grad = 3.0 * torch.randn(4000, dtype=torch.float64)
    assert float(measured("real-time", theta, grad).opposing_rate) == 0.0
    assert float(measured("pre", theta, grad).opposing_rate) > 0.02


@pytest.mark.parametrize(("rule", "share"), [("decoupled", 0.05), ("pre", 0.05), ("l2", 0.0)])
def test_shares_and_ratios_are_norms(rule: str, share: float) -> None:
    theta, grad = torch.randn(50).double(), torch.randn(50).double()
    one = measured(rule, theta, grad)
    assert float(one.decay_share) == pytest.approx(share)
    direction = grad + DECAY * theta if rule == "l2" else grad
    base = theta * (1 - LR * DECAY) if rule == "pre" else theta
    expected = LR * direction.norm() / theta.norm()
    assert base.norm() > 0
    torch.testing.assert_close(one.update_ratio, expected)


def test_it_measures_every_so_many_steps_by_name_and_layer(network: Any, train: Any) -> None:
    model = network()
    optimizer = lpwd.LPWD(lpwd.layer_groups(model), lr=LR, weight_decay=DECAY)
    diagnostics = StepDiagnostics(optimizer, every=3)
    train(model, optimizer, 1)
    first = diagnostics.latest
    assert [(one.name, one.layer) for one in first] == [
        ("0.weight", 1),
        ("3.weight", 2),
        ("5.weight", 3),
    ]
    assert [float(one.decay_share) for one in first] == pytest.approx([0.05 / 3, 0.1 / 3, 0.05])
    train(model, optimizer, 2)
    assert diagnostics.latest is first
    train(model, optimizer, 1)
    assert diagnostics.latest is not first
    diagnostics.close()
    last = diagnostics.latest
    train(model, optimizer, 6)
    assert diagnostics.latest is last


def test_watching_changes_no_bit_of_the_training(network: Any, train: Any) -> None:
    watched, alone = network(), network()
    for model in (watched, alone):
        optimizer = lpwd.build("adam-cautious", lpwd.layer_groups(model), lr=0.01, weight_decay=0.5)
        assert isinstance(optimizer, lpwd.DecayedOptimizer)
        if model is watched:
            StepDiagnostics(optimizer, every=2)
        train(model, optimizer, 5)
    for one, other in zip(watched.parameters(), alone.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_stack_has_figures_of_each_of_its_models() -> None:
    weights = torch.randn(3, 4, 5).double()
    grads = torch.randn(3, 4, 5).double()
    table = lpwd.layer_table(nn.Linear(5, 4, bias=False))
    decays = torch.tensor([0.0, 0.1, 0.5], dtype=torch.float64)
    stack = weights.clone()
    optimizer = lpwd.build("sgdw", table.groups({"weight": stack}), lr=LR, weight_decay=decays)
    assert isinstance(optimizer, lpwd.DecayedOptimizer)
    with StepDiagnostics(optimizer, every=1) as diagnostics:
        stack.grad = grads
        optimizer.step()
    (one,) = diagnostics.latest
    torch.testing.assert_close(one.decay_share, LR * decays)
    assert one.opposing_rate.shape == one.update_ratio.shape == (3,)
    assert float(one.opposing_rate[0]) == 0.0


def test_an_optimizer_has_one_observer(network: Any) -> None:
    optimizer = lpwd.SGD(network().parameters())
    with StepDiagnostics(optimizer), pytest.raises(InvalidHyperparameter, match="already"):
        StepDiagnostics(optimizer)
    StepDiagnostics(optimizer).close()
    with pytest.raises(InvalidHyperparameter, match=r"every must be .*0"):
        StepDiagnostics(optimizer, every=0)


def test_the_effect_of_a_decay_is_seen_and_undone(network: Any) -> None:
    model = network()
    model.train()
    optimizer = lpwd.LPWD(lpwd.layer_groups(model), lr=0.5, weight_decay=1.0)
    before = copy.deepcopy(model)
    x = torch.randn(16, 4, dtype=torch.float64)

    def spread(outputs: Tensor) -> float:
        return outputs.std().item()

    effect = decay_effect(model, optimizer, (x,), spread)
    assert effect.before == pytest.approx(spread(model(x).detach()))
    by_hand = copy.deepcopy(model)
    with torch.no_grad():
        for index, layer in ((0, 1), (3, 2), (5, 3)):
            by_hand[index].weight.mul_(1 - 0.5 * layer / 3)
    assert effect.after == pytest.approx(spread(by_hand(x).detach()))
    expected = (by_hand[0](x) - model[0](x)).norm() / model[0](x).norm()
    assert effect.output_change["0"] == pytest.approx(expected.item())
    assert set(effect.output_change) == {"0", "3", "5"}
    for one, other in zip(model.parameters(), before.parameters(), strict=True):
        assert torch.equal(one, other)
    assert model.training
    optimizer.decay()
    assert not torch.equal(model[5].weight, before[5].weight)
