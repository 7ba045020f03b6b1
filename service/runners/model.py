"""What a runner may be doing."""

from enum import StrEnum


class RunnerState(StrEnum):
    """What a runner does."""

    IDLE = "idle"
    TRAINING = "training"
    DRAINING = "draining"
    """It was asked to stop, and puts back what it has not finished."""
