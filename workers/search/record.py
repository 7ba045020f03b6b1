"""What has come of one point so far: pure, alike in the search and in its runner."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from workers.contracts import CURVES

VALIDATION, TEST = CURVES.index("validation_score"), CURVES.index("test_score")


class PointRecord:
    """A point's values, epoch by epoch. A diverged seed scores chance from that epoch on."""

    def __init__(self, seeds: int, chance: float) -> None:
        """Begin a record of a point with that many seeds."""
        self._chance = chance
        self._seeds = seeds
        self._epochs: list[npt.NDArray[np.float32]] = []
        self.diverged: dict[int, str] = {}
        """Position of a seed to why it diverged."""
        self._diverged_in: dict[int, int] = {}

    @property
    def epochs(self) -> int:
        """Epochs trained so far."""
        return len(self._epochs)

    @property
    def all_diverged(self) -> bool:
        """Whether no seed is left to train."""
        return len(self.diverged) == self._seeds

    def add(self, values: npt.NDArray[np.float32], diverged: Mapping[int, str]) -> None:
        """Add an epoch.

        Args:
            values: (seeds, len(CURVES)); rows of diverged seeds may hold anything.
            diverged: Seeds found diverged in this epoch: position to reason.
        """
        self._epochs.append(values)
        for position, reason in diverged.items():
            if position not in self.diverged:
                self.diverged[position] = reason
                self._diverged_in[position] = self.epochs

    def scores(self, column: int = VALIDATION) -> npt.NDArray[np.float32]:
        """Return (epochs, seeds) of a column of scores, chance where a seed had diverged."""
        if not self._epochs:
            return np.empty((0, self._seeds), np.float32)
        found = np.stack(self._epochs)[:, :, column].copy()
        for position, epoch in self._diverged_in.items():
            found[epoch - 1 :, position] = self._chance
        return found

    def value(self, column: int = VALIDATION) -> float:
        """Return the mean score over the seeds after the last epoch, of which there is one."""
        return float(self.scores(column)[-1].mean(dtype=np.float64))

    def curves(self, position: int) -> npt.NDArray[np.float32]:
        """Return one seed's (epochs, len(CURVES)), up to where it diverged."""
        end = self._diverged_in.get(position, self.epochs)
        return np.stack(self._epochs[:end])[:, position]
