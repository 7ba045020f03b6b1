"""Layer schedules: how the decay rate is shared out over the layers. Pure Python, no torch.

A schedule is a function of (i, n), the layer's index counted from 1 at the input and the number
of layers, and returns the factor that multiplies the decay rate there.
"""

from collections.abc import Callable

LayerSchedule = Callable[[int, int], float]


def constant(i: int, n: int) -> float:  # noqa: ARG001  (every schedule takes both)
    """Return 1: the same decay everywhere."""
    return 1.0


def linear(i: int, n: int) -> float:
    """Return i / n, the schedule of the LPWD paper: the deepest layer decays by the full rate."""
    return i / n


SCHEDULES: dict[str, LayerSchedule] = {"constant": constant, "linear": linear}
