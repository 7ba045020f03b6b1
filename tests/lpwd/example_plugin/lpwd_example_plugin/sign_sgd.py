"""The optimizer itself: plain PyTorch, one model, float rates. The library makes stacks of it."""

from typing import Any

import torch


class SignSGD(torch.optim.Optimizer):
    """θ ← (1 − ηλ)θ − η sign(g) where |g| is at least the threshold."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Step every parameter that has a gradient."""
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    large = param.grad.abs() >= group["threshold"]
                    param.mul_(1 - group["lr"] * group["weight_decay"])
                    param.sub_(group["lr"] * param.grad.sign() * large)


def build(groups: Any, *, lr: float, weight_decay: float, threshold: float) -> SignSGD:
    """Build it on parameter groups."""
    return SignSGD(groups, {"lr": lr, "weight_decay": weight_decay, "threshold": threshold})
