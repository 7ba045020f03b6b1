"""Successive halving, for every optimizer by itself. Imports Ray."""

from types import SimpleNamespace
from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

from workers.search.contracts import Halving, Past
from workers.search.trainable import SCORE, TASK, PointTask

EPOCH = "training_iteration"


class HalvingEach(FIFOScheduler):
    """One `ASHAScheduler` an optimizer: its points are compared with each other alone."""

    def __init__(self, halving: Halving, *, epochs: int, maximize: bool) -> None:
        """Begin without any points.

        Args:
            halving: When to compare.
            epochs: Budget of a point.
            maximize: Whether higher scores are better.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self._halving = halving
        self._epochs = epochs
        self._mode = "max" if maximize else "min"
        self._each: dict[str, ASHAScheduler] = {}

    def recall(self, label: str, points: tuple[Past, ...]) -> None:
        """Compare later points with these, too, which ended before."""
        asha = self._of(label)
        for point in points:
            # All that it looks at is the trial's id; there is no controller yet.
            trial: Any = SimpleNamespace(trial_id=f"past-{point.number}")
            controller: Any = None
            asha.on_trial_add(controller, trial)
            for epoch, mean in enumerate(point.means, start=1):
                asha.on_trial_result(controller, trial, {EPOCH: epoch, SCORE: mean})
            asha.on_trial_remove(controller, trial)

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """Let the optimizer's own scheduler know."""
        self._of(_label(trial)).on_trial_add(tune_controller, trial)

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> str:
        """Decide whether a point goes on."""
        decision = self._of(_label(trial)).on_trial_result(tune_controller, trial, result)
        return str(decision)

    def on_trial_complete(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> None:
        """Let the optimizer's own scheduler know."""
        self._of(_label(trial)).on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        """Let the optimizer's own scheduler know."""
        self._of(_label(trial)).on_trial_remove(tune_controller, trial)

    def _of(self, label: str) -> ASHAScheduler:
        if label not in self._each:
            self._each[label] = ASHAScheduler(
                metric=SCORE,
                mode=self._mode,
                max_t=self._epochs,
                grace_period=self._halving.grace_epochs,
                reduction_factor=self._halving.reduction_factor,
            )
        return self._each[label]


def _label(trial: Trial) -> str:
    task: PointTask = trial.config[TASK]
    return task.label
