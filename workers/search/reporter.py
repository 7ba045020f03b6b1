"""What Ray Tune's loop tells besides results. Imports Ray."""

import time
from collections.abc import Callable
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from workers.search.contracts import Message, PointRestarted, Turning
from workers.search.trainable import TASK, PointTask

TURN_EVERY = 1.0
"""Seconds between two signs of life."""


class Reporter(Callback):
    """Tells, now and then, that the loop turns, and of workers that died."""

    def __init__(self, tell: Callable[[Message], None]) -> None:
        """Tell the runner by this function."""
        super().__init__()
        self._tell = tell
        self._told = 0.0

    def on_step_begin(self, iteration: int, trials: list[Trial], **_: Any) -> None:  # noqa: ARG002
        """Every turn of the loop."""
        now = time.monotonic()
        if now - self._told >= TURN_EVERY:
            self._told = now
            self._tell(Turning())

    def on_trial_recover(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Trial],  # noqa: ARG002
        trial: Trial,
        **_: Any,
    ) -> None:
        """A point's worker has died, and it will be begun again."""
        task: PointTask = trial.config[TASK]
        self._tell(PointRestarted(task.label, task.number))
