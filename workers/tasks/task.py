"""What a task declares. The record is torch-free, so that the API can list tasks; the data, the
model and the loss are in the `Problem` it points to, loaded where training happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workers import data

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

Examples = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]
"""Inputs (n, …) and targets (n, …). Floating-point inputs take the precision of the trial; integers
(bytes of images, numbers of characters) stay what they are."""


@dataclass(frozen=True)
class Metric:
    """The score of a task. The direction is declared, never inferred from the name."""

    name: str
    maximize: bool
    chance: float
    """What guessing scores; a diverged trial is given it."""
    percent: bool = False
    """Whether it is a share in [0, 1], shown in per cent."""


@dataclass(frozen=True)
class Splits:
    """Data of one seed. Choose on validation, report test."""

    train: Examples
    validation: Examples
    test: Examples


@dataclass(frozen=True)
class Problem:
    """The torch side of a task."""

    load: Callable[[int], Splits]
    """Seed to data: deterministic, offline."""
    model: Callable[[], nn.Module]
    """Makes an initialised model from torch's global random generator."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """(outputs, targets) to the mean loss, a scalar."""
    score: Callable[[Tensor, Tensor], Tensor]
    """(outputs, targets) to the mean metric, a scalar."""
    augment: Callable[[Tensor, Generator], Tensor] | None = None
    """A training batch (b, …), as loaded, to one of the same shape. Runs on the batch's device; all
    chance comes from the generator, which is on the CPU, so that every device sees the same."""
    prepare: Callable[[Tensor], Tensor] | None = None
    """A batch (b, …), as loaded or augmented, to what the model takes: bytes to normalised floats,
    say. Runs on the batch's device, in training and evaluation."""


@dataclass(frozen=True)
class Task:
    """Data, model, loss, metric and a default budget, under one name."""

    name: str
    title: str
    summary: str
    version: int
    """Part of a trial's identity: raise it when data, splits or model change."""
    metric: Metric
    epochs: int
    batch_size: int
    examples: tuple[int, int, int]
    """Sizes of the train, validation and test split."""
    licence: str
    source: str
    """Where the data comes from."""
    problem: str
    """``module:attribute`` of the `Problem`."""
    augmentation: str = "none"
    """What happens to training batches, in words."""
    datasets: tuple[str, ...] = ()
    """Names in `workers.data` of what has to be here before it trains."""

    @property
    def download_bytes(self) -> int:
        """What fetching all its data sets moves."""
        return sum(data.get(name).download_bytes for name in self.datasets)

    @property
    def here(self) -> bool:
        """Whether its data is on this machine."""
        return not data.missing(self.datasets)

    def require_data(self) -> None:
        """Raise `DataMissingError`, which says what to do, unless its data is on this machine."""
        data.require(self.name, self.datasets)

    def load(self) -> Problem:
        """Import the torch side.

        Raises:
            DataMissingError: Its data is not on this machine.
        """
        self.require_data()
        module, _, attribute = self.problem.partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, Problem):
            raise TypeError(
                f"{self.problem} of task {self.name} is a {type(found).__name__}, "
                "not a workers.tasks.Problem"
            )
        return found
