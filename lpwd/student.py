"""Student's t distribution, as much of it as intervals need."""

from typing import Any


def quantile(degrees: Any, probability: float) -> Any:
    """Return where the t distribution of so many degrees of freedom reaches a probability.

    Args:
        degrees: A number or an array of them, at least 1.
        probability: In (0, 1).

    Returns:
        A number, or an array of the shape of `degrees`.
    """
    # Only here: it takes long to import, and most processes never need it. `scipy.stats` would take
    # three times as long.
    from scipy.special import stdtrit

    return stdtrit(degrees, probability)
