"""Adam, with AMSGrad, to the bit as `torch.optim.Adam` computes it."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from lpwd.errors import InvalidHyperparameter
from lpwd.rates import Spread
from lpwd.slices import Slice, State
from lpwd.updates.base import BaseUpdate


class AdamUpdate(BaseUpdate):
    """u = m̂ / (√v̂ + ε) with bias-corrected moments (Kingma & Ba 2015; AMSGrad: Reddi et al. 2018).

    State, under PyTorch's names: `step`, `exp_avg`, `exp_avg_sq`, and `max_exp_avg_sq` with
    AMSGrad. `step` is a float32 tensor on the CPU, or beside its parameter if `capturable`.
    """

    has_second_moments: ClassVar[bool] = True

    def check(self, group: Mapping[str, Any]) -> None:
        """Refuse betas outside [0, 1) and a negative ε."""
        betas = tuple(group["betas"])
        in_range = (isinstance(beta, float | int) and 0.0 <= beta < 1.0 for beta in betas)
        if len(betas) != 2 or not all(in_range):
            raise InvalidHyperparameter(f"betas must be two floats in [0, 1), not {betas!r}")
        if not group["eps"] >= 0.0:
            raise InvalidHyperparameter(f"eps must be >= 0, not {group['eps']!r}")

    def advance(self, part: Slice) -> list[Tensor]:
        """Move the moments and return the first ones, whose sign is the update's."""
        beta1, beta2 = part.group["betas"]
        for param, state in zip(part.params, part.states, strict=True):
            if "exp_avg" not in state:
                _start(state, param, part.group["amsgrad"], part.group["capturable"])
        _count([state["step"] for state in part.states])
        first = [state["exp_avg"] for state in part.states]
        second = [state["exp_avg_sq"] for state in part.states]
        torch._foreach_lerp_(first, part.grads, 1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, part.grads, part.grads, 1 - beta2)
        if part.group["amsgrad"]:
            torch._foreach_maximum_([state["max_exp_avg_sq"] for state in part.states], second)
        return first

    def descend(self, part: Slice) -> None:
        """θ ← θ − η m̂ / (√v̂ + ε)."""
        beta1, beta2 = part.group["betas"]
        denominators = list(torch._foreach_sqrt(_undivided(part)))
        torch._foreach_div_(denominators, [one**0.5 for one in _corrections(part, beta2)])
        torch._foreach_add_(denominators, part.group["eps"])
        _subtract_quotients_(
            part.params,
            part.direction,
            denominators,
            part.learning_rate(),
            _corrections(part, beta1),
        )

    def second_moments(self, part: Slice) -> list[Tensor]:
        """Return v̂; under AMSGrad, of the running maximum."""
        beta2 = part.group["betas"][1]
        return list(torch._foreach_div(_undivided(part), _corrections(part, beta2)))


def _undivided(part: Slice) -> list[Tensor]:
    """Return v of each parameter, or its running maximum under AMSGrad, without bias correction."""
    key = "max_exp_avg_sq" if part.group["amsgrad"] else "exp_avg_sq"
    return [state[key] for state in part.states]


def _start(state: State, param: Tensor, amsgrad: bool, capturable: bool) -> None:
    device = param.device if capturable else torch.device("cpu")
    state["step"] = torch.zeros((), dtype=torch.float32, device=device)
    state["exp_avg"] = torch.zeros_like(param, memory_format=torch.preserve_format)
    state["exp_avg_sq"] = torch.zeros_like(param, memory_format=torch.preserve_format)
    if amsgrad:
        state["max_exp_avg_sq"] = torch.zeros_like(param, memory_format=torch.preserve_format)


def _count(steps: list[Tensor]) -> None:
    if steps[0].is_cpu and not torch.compiler.is_compiling():
        # A Python 1 would be wrapped into a tensor anew for each of the CPU counters.
        torch._foreach_add_(steps, torch.tensor(1.0), alpha=1.0)
    else:
        torch._foreach_add_(steps, 1)


def _corrections(part: Slice, beta: float) -> list[Any]:
    """Return 1 − β^t of each parameter: numbers where t is on the CPU, tensors where reading waits.

    Under `torch.compile` they are tensors too, so that a new count does not compile anew.
    """
    steps = [state["step"] for state in part.states]
    if not part.group["capturable"] and not torch.compiler.is_compiling():
        return [1 - beta ** step.item() for step in steps]
    # t is float32, in which 1 − β^t would lose four digits at first; −expm1(t ln β) loses none.
    exponents = torch._foreach_mul(steps, math.log(beta) if beta > 0.0 else -math.inf)
    return list(torch._foreach_neg(torch._foreach_expm1(exponents)))


def _subtract_quotients_(
    params: list[Tensor],
    numerators: list[Tensor],
    denominators: list[Tensor],
    rate: Spread,
    correction: list[Any],
) -> None:
    """θ ← θ − (rate / correction) · numerator / denominator, in place.

    With float rates and counts this is PyTorch's own expression, to the bit. Tensor rates scale
    the numerator: a scaled denominator would divide by zero where a schedule ends at rate 0.
    """
    rates = rate if isinstance(rate, list) else [rate] * len(params)
    sizes = [-(one / by) for one, by in zip(rates, correction, strict=True)]
    if any(isinstance(size, Tensor) for size in sizes):
        numerators = list(torch._foreach_mul(numerators, sizes))
        torch._foreach_addcdiv_(params, numerators, denominators)
    else:
        torch._foreach_addcdiv_(params, numerators, denominators, sizes)
