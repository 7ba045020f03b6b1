"""Layer schedules: how the decay rate is shared out over the layers. Pure Python, no torch.

A schedule is a function of (i, n), the layer's index counted from 1 at the input and the number
of layers, and returns the factor that multiplies the decay rate there. Any function will do.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lpwd.errors import InvalidHyperparameter, MissingLayers

LayerSchedule = Callable[[int, int], float]
Mean = Literal["layers", "parameters"]


def constant(i: int, n: int) -> float:  # noqa: ARG001  (every schedule takes both)
    """Return 1: the same decay everywhere."""
    return 1.0


def linear(i: int, n: int) -> float:
    """Return i / n, the schedule of the LPWD paper: the deepest layer decays by the full rate."""
    return i / n


def reversed_linear(i: int, n: int) -> float:
    """Return (n + 1 − i) / n: the linear schedule from the other end."""
    return (n + 1 - i) / n


def cosine(i: int, n: int) -> float:
    """Return (1 − cos(πi/n)) / 2: rises from near 0 to 1, slowly at both ends."""
    return (1.0 - math.cos(math.pi * i / n)) / 2.0


@dataclass(frozen=True)
class Power:
    """(i / n)^p: 0 is constant, 1 linear, larger leaves all but the deepest layers alone."""

    power: float = 2.0

    def __call__(self, i: int, n: int) -> float:
        """Return (i / n)^p."""
        return float((i / n) ** self.power)


@dataclass(frozen=True)
class Shuffled:
    """The linear schedule's factors dealt out to the layers in an order drawn from a seed."""

    seed: int = 0

    def __call__(self, i: int, n: int) -> float:
        """Return the factor of the layer that the permutation puts in place i."""
        order = list(range(1, n + 1))
        random.Random(self.seed).shuffle(order)  # noqa: S311  (a design, not a secret)
        return order[i - 1] / n


@dataclass(frozen=True)
class Matched:
    """The same factor everywhere: the mean of another schedule. The control for its strength.

    Attributes:
        schedule: whose mean.
        mean: over "layers", or over "parameters", which weights a layer by its decayed elements.
    """

    schedule: LayerSchedule = linear
    mean: Mean = "layers"


SCHEDULES: dict[str, LayerSchedule | Matched] = {
    "constant": constant,
    "linear": linear,
    "reversed": reversed_linear,
    "cosine": cosine,
    "power": Power(),
    "shuffled": Shuffled(),
    "matched": Matched(),
    "matched-parameters": Matched(mean="parameters"),
}


def named_schedule(schedule: LayerSchedule | Matched | str) -> LayerSchedule | Matched:
    """Return the schedule of that name, or the given one itself.

    Raises:
        InvalidHyperparameter: the name is unknown, or the value is no function.
    """
    if isinstance(schedule, str) and schedule in SCHEDULES:
        return SCHEDULES[schedule]
    if isinstance(schedule, str) or not (callable(schedule) or isinstance(schedule, Matched)):
        raise InvalidHyperparameter(
            f"layer_schedule must be one of {', '.join(SCHEDULES)} or a function of (i, n), "
            f"not {schedule!r}"
        )
    return schedule


def layer_factors(
    schedule: LayerSchedule | Matched,
    layer_count: int,
    layer_sizes: Sequence[int] | None = None,
    normalise: Mean | None = None,
) -> list[float]:
    """Return the factor of each layer 1 … n.

    Args:
        schedule: the shape over the layers.
        layer_count: n.
        layer_sizes: decayed elements of each layer, for a mean over "parameters".
        normalise: divide by the mean over "layers" or "parameters", so that the mean factor is 1
            and only the shape is left; None leaves the factors as they are.

    Raises:
        InvalidHyperparameter: a factor is negative or not finite, or `normalise` is unknown.
        MissingLayers: a mean over parameters needs `layer_sizes`.
    """
    if normalise not in (None, "layers", "parameters"):
        raise InvalidHyperparameter(
            f"normalise must be 'layers', 'parameters' or None, not {normalise!r}"
        )
    shape = schedule.schedule if isinstance(schedule, Matched) else schedule
    factors = [float(shape(i, layer_count)) for i in range(1, layer_count + 1)]
    for i, factor in enumerate(factors, start=1):
        if not (math.isfinite(factor) and factor >= 0.0):
            raise InvalidHyperparameter(
                f"the layer schedule gives layer {i} of {layer_count} the factor {factor!r}; "
                "factors must be finite and >= 0"
            )
    if isinstance(schedule, Matched):
        factors = [_mean(factors, layer_sizes, schedule.mean)] * layer_count
    if normalise is None:
        return factors
    mean = _mean(factors, layer_sizes, normalise)
    if mean == 0.0:
        raise InvalidHyperparameter("a layer schedule that is 0 everywhere cannot be normalised")
    return [factor / mean for factor in factors]


def _mean(factors: Sequence[float], layer_sizes: Sequence[int] | None, over: Mean) -> float:
    if over == "layers":
        return math.fsum(factors) / len(factors)
    if layer_sizes is None:
        raise MissingLayers(
            "a mean over parameters needs the groups' `layer_sizes`: pass layer_groups(model, "
            "example_input)"
        )
    weighted = math.fsum(f * size for f, size in zip(factors, layer_sizes, strict=True))
    return weighted / sum(layer_sizes)
