"""Each rule on each base against a short reference: plain formulas, one tensor at a time."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lpwd

LR, DECAY = 0.02, 0.4
NAMES = ["l2", "decoupled", "real-time", "pre", "scheduled", "cautious", "corrected", "huber"]
NAMES += ["norm-control"]


@dataclass
class Reference:
    """θ ← one step of `rule` on `base`, written as in the papers, for each tensor of a list."""

    rule: str
    base: str
    theta: list[Tensor]
    factor: list[float]
    normalised: list[bool]
    step_count: int = 0

    def __post_init__(self) -> None:
        self.m = [torch.zeros_like(t) for t in self.theta]
        self.v = [torch.zeros_like(t) for t in self.theta]
        self.norm = [float(t.norm()) for t in self.theta]

    def decay(self, lr: float) -> None:
        if self.rule == "pre":
            self.theta = [
                t - lr * DECAY * f * t for t, f in zip(self.theta, self.factor, strict=True)
            ]

    def step(self, grads: list[Tensor], lr: float) -> None:
        self.step_count += 1
        penalty = DECAY if self.rule == "l2" else 0.0
        updates = [
            self.direction(i, g + penalty * self.factor[i] * self.theta[i])
            for i, g in enumerate(grads)
        ]
        moved = [t - lr * u for t, u in zip(self.theta, updates, strict=True)]
        self.theta = [
            self.decayed(i, t, u, w, lr)
            for i, (t, u, w) in enumerate(zip(self.theta, updates, moved, strict=True))
        ]

    def direction(self, i: int, grad: Tensor) -> Tensor:
        if self.base == "sgd":
            self.m[i] = grad if self.step_count == 1 else 0.9 * self.m[i] + grad
            return self.m[i]
        self.m[i] = 0.9 * self.m[i] + 0.1 * grad
        self.v[i] = 0.999 * self.v[i] + 0.001 * grad**2
        return (self.m[i] / (1 - 0.9**self.step_count)) / (self.v_hat(i).sqrt() + 1e-8)

    def v_hat(self, i: int) -> Tensor:
        return self.v[i] / (1 - 0.999**self.step_count)

    def decayed(self, i: int, theta: Tensor, u: Tensor, moved: Tensor, lr: float) -> Tensor:
        k = lr * DECAY * self.factor[i]
        if self.rule in ("l2", "pre"):
            return moved
        if self.rule == "real-time":
            return (1 - k) * moved
        if self.rule == "huber":
            return moved.apply_(lambda w: huber_prox(w, k, 0.1))
        if self.rule == "scheduled":
            every = torch.cat([self.v_hat(j).flatten() for j in range(len(self.v))])
            return moved - k / float(every.mean().sqrt() + 1e-8) * theta
        if self.rule == "cautious":
            return moved - k * torch.where(u * theta >= 0, theta, 0.0)
        if self.rule == "corrected":
            return moved - (k * lr / LR if self.normalised[i] else k) * theta
        if self.rule == "norm-control":
            return moved - k * (1 - self.norm[i] / float(theta.norm())) * theta
        return moved - k * theta


def huber_prox(w: float, k: float, delta: float) -> float:
    return w / (1 + k) if abs(w) <= (1 + k) * delta else w - k * delta * math.copysign(1, w)


@pytest.mark.parametrize("schedule", [None, "linear"])
@pytest.mark.parametrize("base", ["sgd", "adam"])
@pytest.mark.parametrize("rule", NAMES)
def test_foreach_equals_the_formulas(
    network: Callable[..., nn.Sequential], rule: str, base: str, schedule: str | None
) -> None:
    if (rule, base) == ("scheduled", "sgd"):
        with pytest.raises(ValueError, match="use it on Adam"):
            lpwd.SGD(network().parameters(), rule=rule)
        return
    model = network()
    table = lpwd.layer_table(model)
    (group, _) = table.groups(model.named_parameters())
    options: dict[str, Any] = {"momentum": 0.9} if base == "sgd" else {}
    cls = lpwd.SGD if base == "sgd" else lpwd.Adam
    optimizer = cls(
        [group], lr=LR, weight_decay=DECAY, rule=rule, layer_schedule=schedule, **options
    )
    reference = Reference(
        rule,
        base,
        [param.detach().clone() for param in group["params"]],
        [1.0] * 3 if schedule is None else [1 / 3, 2 / 3, 1.0],
        group["normalised"],
    )
    assert group["normalised"] == [True, False, False]
    generator = torch.Generator().manual_seed(5)
    for step in range(50):
        lr = LR * (1 - step / 50)
        group["lr"] = lr
        optimizer.decay()
        reference.decay(lr)
        torch.testing.assert_close([p.detach() for p in group["params"]], reference.theta)
        grads = [torch.randn(p.shape, generator=generator).double() for p in group["params"]]
        for param, grad in zip(group["params"], grads, strict=True):
            param.grad = grad
        optimizer.step()
        reference.step(grads, lr)
        torch.testing.assert_close(
            [p.detach() for p in group["params"]], reference.theta, rtol=1e-9, atol=1e-12
        )
