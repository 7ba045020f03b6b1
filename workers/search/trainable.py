"""One point in training, as Ray Tune runs it. Imports Ray; torch only where a point is trained."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray import tune

from workers.contracts import CURVES, Device, EpochReport, Pack
from workers.search.contracts import KnownTrial, PointEpoch
from workers.search.record import PointRecord

TASK = "task"
"""Where a trial's configuration holds its `PointTask`."""
SCORE, EPOCH, FAILURE = "score", "epoch", "failure"
"""What a result holds: the mean score, the `PointEpoch`, and why training is impossible."""


@dataclass(frozen=True)
class PointTask:
    """A point to train: all its seeds as one pack, where that fits into memory."""

    label: str
    number: int
    pack: Pack
    chance: float
    gpu: bool
    memory: int | None
    """Bytes that it may take on a CPU; all there is by default."""
    known: tuple[KnownTrial, ...] | None
    """Results of its trials, where all are known: they are told again instead of trained."""


class PointTrainable(tune.Trainable):
    """Trains one point after the other in one process; a step is an epoch.

    An error of training is a result like any other: trying again would raise it again. What Ray
    itself calls an error is the loss of the process.
    """

    _apart = False
    """Whether seeds train by themselves: together they did not fit into memory, nor would again."""
    _reports: Iterator[tuple[EpochReport, float]]
    """Every epoch to come: its report, and the time of training up to there."""

    def setup(self, config: dict[str, Any]) -> None:
        """Load torch and warm up, once for many points, and not in the time of the first one."""
        import workers.training
        from workers import device, memory

        self._trains = workers.training.train
        task: PointTask = config[TASK]
        self._torch_device = device.prepare(gpu=task.gpu)
        self._device: Device = device.describe(self._torch_device, task.memory)
        if task.memory is not None and not task.gpu:
            memory.limit(task.memory)
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
        """Yield every epoch's report and the time of training so far.

        Where memory runs out, the seeds begin anew by themselves, as far as was told in silence.
        """
        from workers import memory

        started = time.monotonic()
        trials = self._task.pack.trials
        told = 0
        if not self._apart:
            try:
                for report in self._trains(self._task.pack, self._torch_device):
                    yield report, time.monotonic() - started
                    told = report.epoch
                return
            except Exception as error:
                if len(trials) == 1 or not memory.is_exhausted(error):
                    raise
            # Only here, where nothing holds the error and its frames any more.
            self._apart = True
            memory.release(self._torch_device)
        each = [self._trains(Pack((trial,)), self._torch_device) for trial in trials]
        for report in in_turn(each, after=told):
            yield report, time.monotonic() - started


def in_turn(each: Sequence[Iterator[EpochReport]], *, after: int) -> Iterator[EpochReport]:
    """Train an epoch of each trial in turn, telling of them as of one pack.

    Args:
        each: Reports of each trial, which trains by itself.
        after: Epochs that were told of before: who diverges in them is told with the next.
    """
    left = dict(enumerate(each))
    diverged: dict[int, str] = {}
    epoch = 0
    while left:
        epoch += 1
        values = np.full((len(each), len(CURVES)), np.nan, np.float32)
        for position, reports in list(left.items()):
            report = next(reports, None)
            if report is None:
                del left[position]
                continue
            values[position] = report.values[0]
            if 0 in report.diverged:
                diverged[position] = report.diverged[0]
        if left and epoch > after:
            yield EpochReport(epoch, values, diverged)
            diverged = {}


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
