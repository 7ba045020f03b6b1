"""When a trial counts as diverged."""

import numpy as np
import numpy.typing as npt

BLOW_UP = 10.0
"""A trial whose last epoch's training loss exceeds its first batch's loss this many times over has
diverged. Judged at the end only: a loss that leaps up early may come back."""


def diverged(
    finite: npt.NDArray[np.bool_],
    train_loss: npt.NDArray[np.float32],
    first_loss: npt.NDArray[np.float32],
    *,
    epoch: int,
    last: bool,
) -> dict[int, str]:
    """Tell which trials have diverged, and why.

    Args:
        finite: (K,) whether every loss of the epoch was a number, and the scores after it.
        train_loss: (K,) mean training loss of the epoch.
        first_loss: (K,) loss of the very first batch.
        epoch: Epochs trained so far, from 1; for the message.
        last: Whether the budget ends here.

    Returns:
        Position to reason.
    """
    reasons = {
        int(k): f"the loss was not a finite number in epoch {epoch}"
        for k in np.flatnonzero(~finite)
    }
    if last:
        for k in np.flatnonzero(finite & (train_loss > BLOW_UP * first_loss)):
            ratio = train_loss[k] / first_loss[k]
            reasons[int(k)] = (
                f"the training loss ended at {train_loss[k]:.3g}, {ratio:.3g} times its first value"
            )
    return reasons
