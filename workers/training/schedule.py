"""How the learning rate moves over a trial."""

from math import cos, pi

from workers.contracts import LearningRateSchedule


def learning_rate_factor(schedule: LearningRateSchedule, step: int, steps: int) -> float:
    """Share of the full learning rate at a step.

    Args:
        schedule: Its shape. Cosine is Loshchilov & Hutter 2017 without restarts, down to 0.
        step: From 0 to ``steps - 1``.
        steps: All steps of the trial.

    Returns:
        A factor in (0, 1], 1 at the first step.
    """
    match schedule:
        case LearningRateSchedule.CONSTANT:
            return 1.0
        case LearningRateSchedule.COSINE:
            return (1 + cos(pi * step / steps)) / 2
        case LearningRateSchedule.LINEAR:
            return 1 - step / steps
