"""What travels between service and workers. Imports neither torch nor Ray."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

ENGINE_VERSION = 3
"""Part of every trial's identity. Raise it when the same trial would give other numbers: a change
of initialisation, batch order, loss, learning rate schedule or definition of divergence."""

CURVES = ("train_loss", "validation_loss", "validation_score", "test_loss", "test_score")
"""What is recorded after every epoch, in this order."""


class Precision(StrEnum):
    """Floating-point format of weights and optimizer state."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"


class LearningRateSchedule(StrEnum):
    """How the learning rate goes from its full value at the first step to the end."""

    CONSTANT = "constant"
    COSINE = "cosine"
    LINEAR = "linear"


@dataclass(frozen=True, order=True)
class NumericMode:
    """How numbers are computed. Every choice changes rounding, so it is part of a trial's name."""

    precision: Precision = Precision.FLOAT32
    amp: bool = False
    """Forward pass and loss in bfloat16 where `torch.autocast` holds it safe."""
    channels_last: bool = False
    """Images and convolution weights with the channels innermost in memory."""
    compile: bool = False
    """Loss, gradients and updates as TorchInductor makes them; eager where no compiler is."""
    cuda_graphs: bool = False
    """Steps recorded once and replayed on a GPU; no difference on a CPU."""


@dataclass(frozen=True, order=True)
class Budget:
    """How long and how a trial trains; the same for every trial of a study."""

    epochs: int
    batch_size: int
    schedule: LearningRateSchedule = LearningRateSchedule.CONSTANT
    numerics: NumericMode = NumericMode()


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
        budget = {**vars(self.budget), "numerics": vars(self.budget.numerics)}
        fields = {**vars(self), "budget": budget}
        identity = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(identity.encode()).hexdigest()[:32]


def keys(trials: Iterable[TrialSpec]) -> Iterator[str]:
    """Yield the key of each trial, as `TrialSpec.key` has it.

    Of a grid's trials all is alike but rates and seed: what is alike is written once, so that a
    hundred thousand take less than a second.
    """
    known: dict[tuple[object, ...], tuple[TrialSpec, tuple[str, ...]]] = {}
    for trial in trials:
        kind = (
            trial.task,
            trial.task_version,
            trial.optimizer,
            trial.optimizer_version,
            trial.budget,
            trial.engine_version,
            id(trial.hyperparameters),
        )
        found = known.get(kind)
        if found is None:
            found = known[kind] = (trial, _around(trial))  # the trial too, to keep the id its own
        start, between, then, end = found[1]
        identity = (
            f"{start}{_number(trial.learning_rate)}{between}{_number(trial.seed)}"
            f"{then}{_number(trial.weight_decay)}{end}"
        )
        yield hashlib.sha256(identity.encode()).hexdigest()[:32]


_NAMES = ("learning_rate", "seed", "weight_decay")
"""What differs between trials of a grid, in the order of JSON with sorted keys."""


def _around(trial: TrialSpec) -> tuple[str, ...]:
    """Return the trial's identity in JSON in four pieces, without rates and seed."""
    marks = {name: f"\0{name}\0" for name in _NAMES}
    budget = {**vars(trial.budget), "numerics": vars(trial.budget.numerics)}
    fields = {**vars(trial), "budget": budget, **marks}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
    pieces = []
    for mark in marks.values():
        piece, _, text = text.partition(json.dumps(mark))
        pieces.append(piece)
    return (*pieces, text)


def _number(value: float) -> str:
    """Write a number as JSON does."""
    if type(value) is float and value - value == 0:  # neither infinite nor NaN
        return float.__repr__(value)
    return json.dumps(value, allow_nan=False)


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
    checkpoint: bytes | None = None
    """From which the pack may go on after this epoch, should its worker be lost; not after every
    epoch. Whoever keeps it keeps the reports up to here with it."""


@dataclass(frozen=True)
class Measurement:
    """What a device found out about trials of one kind: task, budget and optimizers."""

    fixed_bytes: int
    """Memory of a pack apart from its trials: the data, above all."""
    trial_bytes: int
    """Memory that each trial adds at the peak of a step."""
    free_bytes: int
    """Memory of the device that packs may take."""
    seconds: Mapping[int, float]
    """Pack size to seconds that one epoch takes for each of its trials."""
    start_seconds: float = 0.0
    """Time until a pack like earlier ones takes its first step."""
    tracing_seconds: float = 0.0
    """What a pack takes longer to start where its process has trained none like it."""
    busy: Mapping[int, float] = field(default_factory=dict)
    """Pack size to the share of the time in which one pack keeps the device computing."""


@dataclass(frozen=True)
class Device:
    """Where a worker trains."""

    kind: str
    """``cpu`` or ``cuda``."""
    name: str
    """As the hardware calls itself."""
    pid: int
    """Of the worker's process, so that a log line leads to it."""
    node: str = ""
    """Name of the machine."""
    memory: int = 0
    """Bytes: all that a GPU has; of a CPU, what its machine has, or what the worker may take."""
    software: str = ""
    """What computes there, with its versions."""

    @property
    def trained_on(self) -> str:
        """What is kept with a result: on what it was computed, and with what."""
        told = f"{self.kind} ({self.name})"
        return (f"{told}, {self.software}" if self.software else told)[:300]
