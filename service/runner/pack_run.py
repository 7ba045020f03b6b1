"""A pack as the runner follows it: planned, in training, or to go on from a checkpoint."""

import time
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

import numpy as np
import numpy.typing as npt

from service.runner.checkpoints import Checkpoints, Saved
from service.runner.estimate import Timing
from service.studies.planning import settings_of
from workers.contracts import Device, EpochReport, Pack


@dataclass(frozen=True)
class Checkpoint:
    """What a pack goes on from, and what was known of it then."""

    state: bytes
    epochs: int
    closed: frozenset[int]


@dataclass
class PackRun:
    """What is known of a pack."""

    pack: Pack
    saved: Saved | None = None
    """The checkpoint that it goes on from."""
    device: Device | None = None
    """Where it trains; None until an epoch is reported."""
    first: bool = False
    """Whether it is its worker's first pack of the study."""
    traced: bool = False
    """Whether its worker had trained none of its kind."""
    _started: float = 0.0
    _epochs: list[npt.NDArray[np.float32]] = field(default_factory=list)
    _reports: list[float] = field(default_factory=list)
    _closed: set[int] = field(default_factory=set)
    _checkpoint: Checkpoint | None = None
    checkpoints: int = 0
    """That it came with since it was started, kept or not."""

    def __post_init__(self) -> None:
        if self.saved is not None:
            self._epochs = list(self.saved.curves)
            self._closed = set(self.saved.closed)

    @property
    def size(self) -> int:
        """Trials in it."""
        return len(self.pack.trials)

    @cached_property
    def kind(self) -> Hashable:
        """What packs of a study that are traced alike have in common: optimizers, and how many."""
        settings = (settings_of(one.optimizer, one.hyperparameters) for one in self.pack.trials)
        return tuple((one, len(list(alike))) for one, alike in groupby(settings))

    @property
    def keys(self) -> list[str]:
        """Keys of its trials, in their order."""
        return [trial.key for trial in self.pack.trials]

    @property
    def epochs(self) -> int:
        """Epochs trained so far."""
        return len(self._epochs)

    @property
    def advanced(self) -> bool:
        """Whether it has trained an epoch since it was started."""
        return bool(self._reports)

    @property
    def passed(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    @property
    def seconds(self) -> float:
        """Time that each trial has taken, those before a checkpoint reckoned at today's pace."""
        return self.passed / self.size * self.epochs / max(1, len(self._reports))

    @property
    def to_come(self) -> int:
        """Epochs it was, or will be, started to train."""
        return self.pack.budget.epochs - self.epochs + len(self._reports)

    @property
    def timing(self) -> Timing:
        """When its epochs came in, since it was started."""
        return Timing(
            self.size,
            self.to_come,
            self._reports,
            first=self.first,
            kind=self.kind,
            worker=self.device,
            traced=self.traced,
        )

    @property
    def open(self) -> list[int]:
        """Positions of the trials whose outcome is wanted and not there yet."""
        return [position for position in range(self.size) if position not in self._closed]

    @property
    def open_keys(self) -> list[str]:
        """Keys of these trials."""
        return [self.pack.trials[position].key for position in self.open]

    def only(self, keys: Collection[str]) -> None:
        """Want the outcome of these trials alone: the others are somebody else's, or known."""
        self._closed |= {p for p, trial in enumerate(self.pack.trials) if trial.key not in keys}

    def begin_anew(self) -> None:
        """Forget the checkpoint that it was to go on from."""
        self.saved = None
        self._epochs = []

    def start(self) -> None:
        """Note that a worker begins with it."""
        self._started = time.monotonic()

    def hear(self, report: EpochReport, device: Device) -> dict[int, str]:
        """Keep an epoch's values; returns the trials whose divergence is news, with the reason."""
        self._epochs.append(report.values)
        self._reports.append(self.passed)
        self.device = device
        fresh = {k: reason for k, reason in report.diverged.items() if k not in self._closed}
        self._closed |= set(fresh)
        if report.checkpoint is not None:
            self._checkpoint = Checkpoint(report.checkpoint, self.epochs, frozenset(self._closed))
            self.checkpoints += 1
        return fresh

    def keep(self, checkpoints: Checkpoints, study_id: str) -> bool:
        """Put the newest checkpoint on disk, if there is one that is not there yet.

        Returns:
            Whether one was put there.
        """
        newest, self._checkpoint = self._checkpoint, None
        if newest is None or not self.open:
            return False
        curves = np.stack(self._epochs[: newest.epochs])
        return checkpoints.save(study_id, self.keys, newest.closed, curves, newest.state)

    def curves(self, position: int) -> npt.NDArray[np.float32]:
        """Return (epochs so far, columns) of one trial."""
        return np.stack([values[position] for values in self._epochs])
