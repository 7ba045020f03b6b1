"""Weight norm control: decay towards a norm instead of towards zero."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lpwd.errors import InvalidHyperparameter
from lpwd.rates import scaled
from lpwd.rules.base import DecayRule, Moment
from lpwd.slices import Slice, State


@dataclass(frozen=True)
class NormControl(DecayRule):
    """θ ← θ − k(1 − r‖θ₀‖/‖θ‖)θ − ηu, the norm of each parameter as a whole (arXiv 2311.11446).

    θ₀ is the parameter at its first step; its norm is kept in the state as `initial_norm`. With
    r = 0 this is decoupled decay.

    Attributes:
        ratio: r ≥ 0, the norm to hold, as a multiple of the initial one.
    """

    moment: ClassVar[Moment] = Moment.BEFORE_UPDATE
    ratio: float = 1.0

    def __post_init__(self) -> None:
        if not self.ratio >= 0.0:
            raise InvalidHyperparameter(f"ratio must be >= 0, not {self.ratio!r}")

    def shrink(self, part: Slice) -> None:
        """Pull each parameter's norm towards r‖θ₀‖."""
        norms = [_norm(param, part.stacked) for param in part.params]
        excess = [
            1.0 - self.ratio * _initial(state, norm) / norm.clamp_min(_smallest(norm))
            for state, norm in zip(part.states, norms, strict=True)
        ]
        pull = scaled(excess, part.decay_factor())
        torch._foreach_mul_(part.params, [1.0 - one for one in pull])


def _norm(param: Tensor, stacked: bool) -> Tensor:
    if not stacked:
        whole: Tensor = torch.linalg.vector_norm(param)
        return whole
    if param.ndim == 1:
        return param.abs()
    each: Tensor = torch.linalg.vector_norm(param, dim=tuple(range(1, param.ndim)), keepdim=True)
    return each


def _initial(state: State, norm: Tensor) -> Tensor:
    if "initial_norm" not in state:
        state["initial_norm"] = norm.clone()
    return state["initial_norm"]


def _smallest(norm: Tensor) -> float:
    """Keep the quotient finite for a parameter that is all zero, which stays where it is."""
    return torch.finfo(norm.dtype).tiny
