"""A pack in training, as the runner follows it."""

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from service.runner.estimate import Timing
from workers.contracts import Device, EpochReport, Pack


@dataclass
class PackRun:
    """What a pack has told so far."""

    pack: Pack
    device: Device | None = None
    """Where it trains; None until the first epoch is reported."""
    first: bool = False
    """Whether it is its worker's first pack of the study."""
    _started: float = field(default_factory=time.monotonic)
    _epochs: list[npt.NDArray[np.float32]] = field(default_factory=list)
    _reports: list[float] = field(default_factory=list)
    _ended: set[int] = field(default_factory=set)

    @property
    def epochs(self) -> int:
        """Epochs trained so far."""
        return len(self._epochs)

    @property
    def passed(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    @property
    def timing(self) -> Timing:
        """When its epochs came in."""
        return Timing(len(self.pack.trials), self.pack.budget.epochs, self._reports, self.first)

    @property
    def open(self) -> list[int]:
        """Positions of the trials that have no outcome yet; those that diverged have one."""
        return [i for i in range(len(self.pack.trials)) if i not in self._ended]

    @property
    def open_keys(self) -> list[str]:
        """Keys of the trials that have no outcome yet."""
        return [self.pack.trials[i].key for i in self.open]

    def hear(self, report: EpochReport, device: Device) -> None:
        """Keep an epoch's values."""
        self._epochs.append(report.values)
        self._reports.append(self.passed)
        self._ended |= set(report.diverged)
        self.device = device

    def curves(self, position: int) -> npt.NDArray[np.float32]:
        """Return (epochs so far, columns) of one trial."""
        return np.stack([values[position] for values in self._epochs])
