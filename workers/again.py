"""One trial trained again, in this process: no Ray, no database. Imports torch."""

import numpy as np
import numpy.typing as npt

from workers import device
from workers.contracts import Device, Pack, TrialSpec
from workers.training import train


def train_again(
    trial: TrialSpec, *, gpu: bool = False, alone: bool = False
) -> tuple[npt.NDArray[np.float32], str | None, Device]:
    """Train a trial as a worker does, and tell what came of it.

    A stack of any size above one computes the same bits for each of its trials, and a model that
    is not stacked others in the last place: so it trains beside itself, unless it is to be alone.

    Args:
        trial: What to train.
        gpu: Whether on a GPU; on one, the size of a stack may show in the last places.
        alone: Whether without a stack, as large models train.

    Returns:
        Its curves, (epochs trained, len(CURVES)); why it counts as diverged, or None; and where.
    """
    where = device.prepare(gpu=gpu)
    curves: list[npt.NDArray[np.float32]] = []
    for report in train(Pack((trial,) if alone else (trial, trial)), where):
        curves.append(report.values[0])
        if 0 in report.diverged:
            return np.stack(curves), report.diverged[0], device.describe(where)
    return np.stack(curves), None, device.describe(where)
