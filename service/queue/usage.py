"""What a study has used up, and what it may."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """Seconds that a study has taken so far, and its limits; None where there is none."""

    seconds_running: float = 0.0
    """While a runner had it."""
    seconds_trained: float = 0.0
    """Of workers: two that train for a second make two."""
    time_limit: float | None = None
    training_limit: float | None = None

    @property
    def exceeded(self) -> str | None:
        """Which limit has been reached, and the way on; None while none has."""
        if self.time_limit is not None and self.seconds_running >= self.time_limit:
            return _REACHED.format(
                what="running", limit=self.time_limit, name="limits.running_seconds"
            )
        if self.training_limit is not None and self.seconds_trained >= self.training_limit:
            return _REACHED.format(
                what="training, all workers together",
                limit=self.training_limit,
                name="limits.training_seconds",
            )
        return None


_REACHED = (
    "it reached its limit of {limit:g} s of {what}; what is finished stays. To go on where it is, "
    "raise {name} with PATCH /api/v1/studies/…, then POST …/retry"
)
