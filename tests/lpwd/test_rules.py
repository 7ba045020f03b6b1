"""Properties that the rules promise, on random weights."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import lpwd
from lpwd.errors import InvalidHyperparameter, MissingLayers
from lpwd.rules import DecayRule, Huber, NormControl

number = st.floats(-3.0, 3.0, allow_subnormal=False)
weights = st.lists(number, min_size=4, max_size=4).map(
    lambda values: torch.tensor(values, dtype=torch.float64).reshape(2, 2)
)
shares = st.floats(1e-4, 1.0)


def step(rule: DecayRule | str, theta: Tensor, grad: Tensor, k: float) -> Tensor:
    """Return θ after one SGD step of learning rate 1 with decay factor k."""
    param = theta.clone()
    optimizer = lpwd.SGD([param], lr=1.0, weight_decay=k, rule=rule)
    optimizer.decay()
    param.grad = grad
    optimizer.step()
    return param


@given(theta=weights, grad=weights, k=shares)
@settings(max_examples=60)
def test_real_time_decay_never_ends_with_more_than_the_undecayed_step(
    theta: Tensor, grad: Tensor, k: float
) -> None:
    assert step("real-time", theta, grad, k).norm() <= (theta - grad).norm()


@given(theta=weights, grad=weights, k=shares)
@settings(max_examples=60)
def test_cautious_decay_lies_between_none_and_decoupled(
    theta: Tensor, grad: Tensor, k: float
) -> None:
    result = step("cautious", theta, grad, k)
    decoupled, free = step("decoupled", theta, grad, k), theta - grad
    agrees = grad * theta >= 0
    torch.testing.assert_close(result[agrees], decoupled[agrees])
    torch.testing.assert_close(result[~agrees], free[~agrees])


@given(theta=weights, k=shares, delta=st.floats(0.01, 2.0))
@settings(max_examples=60)
def test_huber_is_the_proximal_point_of_its_penalty(theta: Tensor, k: float, delta: float) -> None:
    """It minimises (w − θ)²/2 + k·Huber_δ(w): no point nearby is better; no sign changes."""
    result = step(Huber(delta), theta, torch.zeros_like(theta), k)

    def objective(w: Tensor) -> Tensor:
        size = w.abs()
        penalty = torch.where(size <= delta, w.square() / 2, delta * (size - delta / 2))
        return (w - theta).square() / 2 + k * penalty

    for shift in (-1e-4, 1e-4):
        assert torch.all(objective(result) <= objective(result + shift) + 1e-12)
    assert torch.all(result * theta >= 0)
    assert torch.all((theta - result).abs() <= k * delta + 1e-12)


@given(theta=weights, k=shares)
@settings(max_examples=60)
def test_norm_control_without_gradient_holds_the_initial_norm(theta: Tensor, k: float) -> None:
    rest = step(NormControl(), theta, torch.zeros_like(theta), k)
    torch.testing.assert_close(rest, theta)


def test_norm_control_pulls_towards_its_norm_from_both_sides() -> None:
    param = torch.full((2, 2), 1.0, dtype=torch.float64)
    optimizer = lpwd.SGD([param], lr=1.0, weight_decay=0.1, rule=NormControl(ratio=2.0))
    param.grad = torch.zeros_like(param)
    norms = []
    for _ in range(100):
        optimizer.step()
        norms.append(float(param.norm()))
    assert norms == sorted(norms)
    assert math.isclose(norms[-1], 4.0, rel_tol=1e-3)
    with torch.no_grad():
        param.mul_(3.0)
    optimizer.step()
    assert float(param.norm()) < 12.0


def test_norm_control_with_ratio_zero_is_decoupled_decay() -> None:
    theta, grad = torch.randn(2, 2), torch.randn(2, 2)
    torch.testing.assert_close(
        step(NormControl(ratio=0.0), theta, grad, 0.3), step("decoupled", theta, grad, 0.3)
    )


def test_norm_control_leaves_a_parameter_of_zeros_finite() -> None:
    assert torch.equal(
        step(NormControl(), torch.zeros(2, 2), torch.zeros(2, 2), 0.5), torch.zeros(2, 2)
    )


def test_the_scheduled_mean_is_over_all_groups_at_once() -> None:
    """One parameter cut into two groups decays as when it is whole."""
    theta, grad = torch.randn(4, 2).double(), torch.randn(4, 2).double()
    whole = theta.clone()
    halves = [theta[:1].clone(), theta[1:].clone()]
    one = lpwd.Adam([whole], weight_decay=0.1, rule="scheduled")
    two = lpwd.Adam([{"params": half} for half in halves], weight_decay=0.1, rule="scheduled")
    for _ in range(3):
        whole.grad, halves[0].grad, halves[1].grad = grad, grad[:1], grad[1:]
        one.step()
        two.step()
    torch.testing.assert_close(torch.cat(halves), whole)


def test_the_corrected_rule_wants_to_know_what_is_normalised() -> None:
    with pytest.raises(MissingLayers, match="which layers are normalised"):
        lpwd.Adam([torch.ones(2, 2)], rule="corrected")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Huber(0.0), "delta must be > 0, not 0.0"),
        (lambda: NormControl(-1.0), "ratio must be >= 0, not -1.0"),
        (lambda: lpwd.Adam([torch.ones(2)], rule="decouple"), "rule must be one of .*'decouple'"),
    ],
)
def test_nonsense_is_refused(make: object, message: str) -> None:
    with pytest.raises(InvalidHyperparameter, match=message):
        make()  # type: ignore[operator]
