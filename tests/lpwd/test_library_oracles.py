"""Our rules against other libraries' implementations: within 1e-6 over 100 steps."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import pytorch_optimizer as others
import timm.optim
import torch
from torch import Tensor, nn

import lpwd

Network = Callable[..., nn.Sequential]
LR, DECAY = 0.01, 0.3
SGD: dict[str, Any] = {"lr": LR, "momentum": 0.9, "weight_decay": DECAY}
# Their AdamC adds ε before the bias correction, ours (as PyTorch's) after it; so ε is tiny here.
ADAM: dict[str, Any] = {"lr": LR, "weight_decay": DECAY, "eps": 1e-14}
INDEPENDENT: dict[str, Any] = {"lr": LR, "weight_decay": 0.01, "eps": 1e-14}

CASES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "sgdw-timm": (
        lambda p: lpwd.SGD(p, rule="decoupled", **SGD),
        lambda p: timm.optim.SGDW(p, **SGD),
    ),
    "sgdw-timm-nesterov": (
        lambda p: lpwd.SGD(p, rule="decoupled", nesterov=True, **SGD),
        lambda p: timm.optim.SGDW(p, nesterov=True, **SGD),
    ),
    "sgdw-pytorch_optimizer": (
        lambda p: lpwd.SGD(p, rule="decoupled", dampening=0.2, **SGD),
        lambda p: others.SGDW(p, weight_decouple=True, dampening=0.2, **SGD),
    ),
    "independent": (
        lambda p: lpwd.Adam(p, rule="decoupled", coupled=False, **INDEPENDENT),
        lambda p: others.AdamC(p, fixed_decay=True, **INDEPENDENT),
    ),
    "adams": (
        lambda p: lpwd.Adam(p, rule="scheduled", lr=LR, weight_decay=1e-3),
        lambda p: others.AdamS(p, lr=LR, weight_decay=1e-3),
    ),
    "adams-amsgrad": (
        lambda p: lpwd.Adam(p, rule="scheduled", amsgrad=True, lr=LR, weight_decay=1e-3),
        lambda p: others.AdamS(p, ams_bound=True, lr=LR, weight_decay=1e-3),
    ),
    "adamc": (
        lambda p: lpwd.Adam(p, rule="corrected", **ADAM),
        lambda p: others.AdamC(p, **ADAM),
    ),
    "sgdc-timm": (
        lambda p: lpwd.SGD(p, rule="corrected", **SGD),
        lambda p: timm.optim.SGDW(p, corrected_weight_decay=True, **SGD),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_within_1e_6_over_100_steps(case: str, network: Network, batches: Any) -> None:
    ends: list[list[Tensor]] = []
    for make in CASES[case]:
        model = network()
        optimizer = make(groups_of(model, all_normalised=case == "sgdc-timm"))
        for step, (x, y) in zip(range(100), batches(), strict=False):
            for group in optimizer.param_groups:
                # AdamC differs from AdamW under a schedule only.
                group["lr"] = LR * (1 + math.cos(math.pi * step / 100)) / 2
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
        ends.append([param.detach() for param in model.parameters()])
    torch.testing.assert_close(ends[0], ends[1], rtol=0.0, atol=1e-6)


def groups_of(model: nn.Module, *, all_normalised: bool) -> list[dict[str, Any]]:
    """Two groups, one of them of normalised layers in the spelling of either library."""
    params = list(model.parameters())
    flags = [True, True] if all_normalised else [True, False]
    halves = [params[:4], params[4:]]
    return [
        {"params": half, "normalised": flag, "normalized": flag}
        for half, flag in zip(halves, flags, strict=True)
    ]
