"""Student's t distribution, as much of it as intervals need.

Not scipy's: importing `scipy.special` takes a fifth of a second, and 19 MB for as long as a process
lives that answers requests.
"""

from functools import cache
from math import asin, cos, exp, lgamma, pi, sin, sqrt, tan
from typing import Any

import numpy as np

CLOSE = 1e-12
"""Relative size of a step after which the next would change nothing: each squares the error."""
STEPS = 100
"""Of Newton's method at most; a handful will do but for probabilities close to 0 or 1."""


def quantile(degrees: Any, probability: float) -> Any:
    """Return where the t distribution of so many degrees of freedom reaches a probability.

    Args:
        degrees: A whole number or an array of them, at least 1.
        probability: In (0, 1).

    Returns:
        A number, or an array of the shape of `degrees`.

    Raises:
        ValueError: Degrees or probability are none.
    """
    if not 0 < probability < 1:
        raise ValueError(f"probability {probability} is not between 0 and 1")
    given = np.asarray(degrees)
    different, places = np.unique(given, return_inverse=True)
    if different.size and (different[0] < 1 or (different != np.floor(different)).any()):
        raise ValueError(f"degrees of freedom are whole numbers from 1 on, not {different[0]}")
    found = np.array([_quantile(int(one), probability) for one in different])[places]
    return float(found) if given.ndim == 0 else found.reshape(given.shape)


@cache
def _quantile(degrees: int, probability: float) -> float:
    """Solve for the angle θ, tan θ = t / √ν, in which the probability is a concave function.

    From the left, Newton's method so comes ever closer and never goes too far.
    """
    if probability < 0.5:
        return -_quantile(degrees, 1 - probability)
    wanted = 2 * probability - 1
    if degrees == 1:
        return tan(pi / 2 * wanted)
    if degrees == 2:
        return sqrt(2) * tan(asin(wanted))
    slope = 2 * exp(lgamma((degrees + 1) / 2) - lgamma(degrees / 2)) / sqrt(pi)
    angle = 0.0
    for _ in range(STEPS):
        step = (wanted - _within(angle, degrees)) / (slope * cos(angle) ** (degrees - 1))
        angle += step
        if step <= CLOSE * angle:
            break
    return sqrt(degrees) * tan(angle)


def _within(angle: float, degrees: int) -> float:
    """Return the probability of |t| below √ν tan θ (Abramowitz & Stegun, 26.7.3 and 26.7.4)."""
    square, odd = cos(angle) ** 2, degrees % 2
    term = total = 1.0
    for k in range(1, (degrees - odd) // 2):
        term *= square * (2 * k - 1 + odd) / (2 * k + odd)
        total += term
    if odd:
        return 2 / pi * (angle + sin(angle) * cos(angle) * total)
    return sin(angle) * total
