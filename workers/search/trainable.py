"""One point in training, as Ray Tune runs it. Imports Ray; torch only where a point is trained."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray import tune

from workers.contracts import Device, EpochReport, Pack
from workers.search.contracts import KnownTrial, PointEpoch
from workers.search.record import PointRecord

TASK = "task"
"""Where a trial's configuration holds its `PointTask`."""
SCORE, EPOCH, FAILURE = "score", "epoch", "failure"
"""What a result holds: the mean score, the `PointEpoch`, and why training is impossible."""


@dataclass(frozen=True)
class PointTask:
    """A point to train: all its seeds as one pack."""

    label: str
    number: int
    pack: Pack
    chance: float
    gpu: bool
    known: tuple[KnownTrial, ...] | None
    """Results of its trials, where all are known: they are told again instead of trained."""


class PointTrainable(tune.Trainable):
    """Trains one point after the other in one process; a step is an epoch.

    An error of training is a result like any other: trying again would raise it again. What Ray
    itself calls an error is the loss of the process.
    """

    _reports: Iterator[tuple[EpochReport, float]]
    """Every epoch to come: its report, and the time of training up to there."""

    def setup(self, config: dict[str, Any]) -> None:
        """Load torch and warm up, once for many points, and not in the time of the first one."""
        import workers.training
        from workers import device

        self._trains = workers.training.train
        task: PointTask = config[TASK]
        self._torch_device = device.prepare(gpu=task.gpu)
        self._device: Device = device.describe(self._torch_device)
        if task.known is None:
            self._warm_up(task.pack)
        self._begin(task)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Go on with another point in this process."""
        self._begin(new_config[TASK])
        return True

    def step(self) -> dict[str, Any]:
        """Train one epoch."""
        try:
            report, self._seconds = next(self._reports)
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            reason = f"{type(error).__name__}: {lines[0]}"
            return {SCORE: self._task.chance, FAILURE: reason, "done": True}
        self._record.add(report.values, report.diverged)
        over = report.epoch >= self._task.pack.budget.epochs or self._record.all_diverged
        return {
            SCORE: self._record.value(),
            EPOCH: PointEpoch(
                label=self._task.label,
                number=self._task.number,
                epoch=report.epoch,
                values=report.values,
                diverged=report.diverged,
                seconds=self._seconds,
                device=self._device,
            ),
            "done": over,
        }

    def cleanup(self) -> None:
        """Let go of the point."""
        self._reports = iter(())

    def _warm_up(self, pack: Pack) -> None:
        """Take one step that nobody sees: it loads the data and traces the first programs."""
        from workers.training import StackedRun

        # What goes wrong here goes wrong again in `step`, where it is a result.
        with suppress(Exception):
            run = StackedRun(pack, self._torch_device)
            run.step(*next(iter(run.batches())))

    def _begin(self, task: PointTask) -> None:
        self._task = task
        self._record = PointRecord(len(task.pack.trials), task.chance)
        self._reports = self._train() if task.known is None else replay(task.known)

    def _train(self) -> Iterator[tuple[EpochReport, float]]:
        """Yield every epoch's report and the time of training so far."""
        started = time.monotonic()
        for report in self._trains(self._task.pack, self._torch_device):
            yield report, time.monotonic() - started


def replay(known: tuple[KnownTrial, ...]) -> Iterator[tuple[EpochReport, float]]:
    """Tell known trials' results as if they were trained now, with the time they took then."""
    seconds = sum(trial.seconds for trial in known)
    epochs = max(len(trial.curves) for trial in known)
    for epoch in range(1, epochs + 1):
        values = np.stack([trial.curves[min(epoch, len(trial.curves)) - 1] for trial in known])
        diverged = {
            position: trial.diverged
            for position, trial in enumerate(known)
            if trial.diverged is not None and epoch == len(trial.curves)
        }
        yield EpochReport(epoch, values, diverged), seconds * epoch / epochs
