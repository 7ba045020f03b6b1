"""What travels between service and workers. Imports neither torch nor Ray."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

ENGINE_VERSION = 1
"""Part of every trial's identity. Raise it when the same trial would give other numbers: a change
of initialisation, batch order, loss, learning rate schedule or definition of divergence."""

CURVES = ("train_loss", "validation_loss", "validation_score", "test_loss", "test_score")
"""What is recorded after every epoch, in this order."""


class Precision(StrEnum):
    """Floating-point format of weights, gradients and optimizer state."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"


class LearningRateSchedule(StrEnum):
    """How the learning rate goes from its full value at the first step to the end."""

    CONSTANT = "constant"
    COSINE = "cosine"
    LINEAR = "linear"


@dataclass(frozen=True, order=True)
class Budget:
    """How long and how a trial trains; the same for every trial of a study."""

    epochs: int
    batch_size: int
    schedule: LearningRateSchedule = LearningRateSchedule.CONSTANT
    precision: Precision = Precision.FLOAT32


@dataclass(frozen=True)
class TrialSpec:
    """One training run, fully determined: two equal specs give the same numbers on one device."""

    task: str
    task_version: int
    optimizer: str
    optimizer_version: int
    learning_rate: float
    """η > 0."""
    weight_decay: float
    """λ ≥ 0."""
    seed: int
    """Fixes initial weights, splits and batch order, alike for every optimizer."""
    budget: Budget
    hyperparameters: Mapping[str, object] = field(default_factory=dict)
    """The optimizer's own, complete: defaults are written out, so that a changed default is a
    changed trial."""
    engine_version: int = ENGINE_VERSION

    @property
    def key(self) -> str:
        """Name of the trial: 128 bits of the SHA-256 of everything that determines its numbers."""
        # Not `dataclasses.asdict`: it copies deeply, and large studies have many keys to make.
        fields = {**vars(self), "budget": vars(self.budget)}
        identity = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(identity.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Pack:
    """Trials of one task and budget, trained together as one stacked model on one device."""

    trials: tuple[TrialSpec, ...]

    def __post_init__(self) -> None:
        kinds = {(trial.task, trial.task_version, trial.budget) for trial in self.trials}
        if len(kinds) != 1:
            raise ValueError(f"a pack holds trials of one task and budget, not of {len(kinds)}")

    @property
    def task(self) -> str:
        """The task all its trials share."""
        return self.trials[0].task

    @property
    def budget(self) -> Budget:
        """The budget all its trials share."""
        return self.trials[0].budget


@dataclass(frozen=True)
class EpochReport:
    """What a pack tells after each epoch."""

    epoch: int
    """Epochs trained so far, from 1."""
    values: npt.NDArray[np.float32]
    """(K, len(CURVES)), rows in the order of the pack's trials; rows of diverged trials may hold
    anything."""
    diverged: Mapping[int, str]
    """Trials found diverged in this epoch: position in the pack to the reason."""


@dataclass(frozen=True)
class Device:
    """Where a worker trains."""

    kind: str
    """``cpu`` or ``cuda``."""
    name: str
    """As the hardware calls itself."""
    pid: int
    """Of the worker's process, so that a log line leads to it."""
