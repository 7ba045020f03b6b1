"""Where the labels at the ends of lines go so that none covers another."""

from collections.abc import Sequence


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least ``gap`` apart within [low, high], as near to the wanted ones as can be.

    Keeps the order and the index of every label, and minimises the sum of squared shifts: with
    the order fixed this is an isotonic regression of ``wanted − rank · gap``, solved by pooling
    adjacent violators; the bounds then clip it.

    Raises:
        ValueError: the labels do not fit between the bounds.
    """
    last = (len(wanted) - 1) * gap
    if wanted and last > high - low + 1e-9:
        raise ValueError(f"{len(wanted)} labels {gap} apart do not fit in [{low}, {high}]")
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    pools: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        total, size = wanted[index] - rank * gap, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / size:
            earlier, count = pools.pop()
            total, size = total + earlier, size + count
        pools.append((total, size))
    levels = [total / size for total, size in pools for _ in range(size)]
    positions = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        positions[index] = min(max(levels[rank], low), max(high - last, low)) + rank * gap
    return positions
