"""What travels between a runner and the process of a search. No torch, no Ray, no Optuna."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from workers.contracts import ENGINE_VERSION, Budget, Device, TrialSpec

Value = float | int | bool | str

LEARNING_RATE, WEIGHT_DECAY = "learning_rate", "weight_decay"
"""Names that these two have among a point's parameters; an optimizer's own keep theirs."""
DECAYS = "decays"
"""Whether there is any weight decay: the parameter that Optuna is asked first where no decay at all
is among the choices. On a log scale there is no zero."""


class PointState(StrEnum):
    """Where a point is; all but the first are final."""

    RUNNING = "running"
    DONE = "done"
    """Trained for its whole budget."""
    PRUNED = "pruned"
    """Stopped before, by successive halving: others did better by then."""
    DIVERGED = "diverged"
    """Every seed diverged; the value is that of chance."""
    FAILED = "failed"


FINAL = frozenset({PointState.DONE, PointState.DIVERGED})
"""States with a score that no further training would change."""
ENOUGH = 10
"""Points with a final score from which the importance of hyperparameters is told, at least."""


class Kind(StrEnum):
    """What a parameter's values are."""

    NUMBER = "number"
    INTEGER = "integer"
    CHOICE = "choice"


@dataclass(frozen=True)
class Parameter:
    """One dimension of a search space."""

    name: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    """Both ends belong to the range; None for a choice."""
    log: bool = False
    """Whether values are drawn on a log scale."""
    choices: tuple[Value, ...] = ()
    zero: bool = False
    """Whether 0 is a value besides the range: of the weight decay alone."""


@dataclass(frozen=True)
class SearchedOptimizer:
    """An optimizer of a search, and where to look for its best setting."""

    label: str
    """Its name in the study."""
    name: str
    version: int
    hyperparameters: Mapping[str, Value]
    """Complete; those in `space` are replaced in every point."""
    space: tuple[Parameter, ...]

    def settings(self, parameters: Mapping[str, Value]) -> dict[str, Value]:
        """Return a point's hyperparameters, complete, without the two rates."""
        own = {n: v for n, v in parameters.items() if n not in (LEARNING_RATE, WEIGHT_DECAY)}
        return {**self.hyperparameters, **own}


@dataclass(frozen=True)
class Halving:
    """Asynchronous successive halving (ASHA, arXiv 1810.05934).

    At `grace_epochs`, and again whenever that has grown by `reduction_factor`, a point goes on only
    if it is among the best 1 / `reduction_factor` of those that came as far before it.
    """

    grace_epochs: int
    reduction_factor: float


@dataclass(frozen=True)
class Search:
    """What is searched, and with which budget: the same for every optimizer."""

    task: str
    task_version: int
    optimizers: tuple[SearchedOptimizer, ...]
    seeds: tuple[int, ...]
    """All seeds of a point are trained together; its value is their mean."""
    budget: Budget
    """Of a point that is not stopped early."""
    points: int
    """Points that each optimizer is given, at most."""
    seconds: float | None
    """Seconds of training after which an optimizer is given no further point."""
    halving: Halving | None
    sampler_seed: int
    engine_version: int = ENGINE_VERSION
    """Points of two engines are not compared."""

    def trials(
        self, optimizer: SearchedOptimizer, parameters: Mapping[str, Value]
    ) -> tuple[TrialSpec, ...]:
        """Return the trials of a point, one a seed, in the order of the seeds."""
        return tuple(
            TrialSpec(
                task=self.task,
                task_version=self.task_version,
                optimizer=optimizer.name,
                optimizer_version=optimizer.version,
                learning_rate=float(parameters[LEARNING_RATE]),
                weight_decay=float(parameters[WEIGHT_DECAY]),
                seed=seed,
                budget=self.budget,
                hyperparameters=optimizer.settings(parameters),
                engine_version=self.engine_version,
            )
            for seed in self.seeds
        )


@dataclass(frozen=True)
class Past:
    """A point that has ended before the process was started."""

    number: int
    parameters: Mapping[str, Value]
    state: PointState
    value: float | None
    means: tuple[float, ...]
    """Mean score over the seeds, by epoch."""
    seconds: float


@dataclass(frozen=True)
class SearchJob:
    """All that the process of a search is told at its start."""

    search: Search
    maximize: bool
    chance: float
    """Score of a diverged seed."""
    past: Mapping[str, tuple[Past, ...]]
    """By label, in the order in which they ended."""


@dataclass(frozen=True)
class KnownTrial:
    """A trial that has a result already."""

    curves: npt.NDArray[np.float32]
    """(epochs trained, len(CURVES))."""
    diverged: str | None
    seconds: float


@dataclass(frozen=True)
class Proposed:
    """A point is about to be trained. Answered with its `KnownTrial`s, or None to train it."""

    label: str
    number: int
    """Counted from 0, for each optimizer."""
    parameters: Mapping[str, Value]


@dataclass(frozen=True)
class PointEpoch:
    """A point has trained one epoch more; the first again where its worker was lost."""

    label: str
    number: int
    epoch: int
    """Epochs trained so far, from 1."""
    values: npt.NDArray[np.float32]
    """(seeds, len(CURVES)); rows of diverged seeds may hold anything."""
    diverged: Mapping[int, str]
    """Seeds found diverged in this epoch: position to reason."""
    seconds: float
    """Time of training so far."""
    device: Device


@dataclass(frozen=True)
class PointEnded:
    """Nothing more will come of a point."""

    label: str
    number: int
    state: PointState
    reason: str | None
    """Why it diverged or failed."""


@dataclass(frozen=True)
class Weighed:
    """How important each hyperparameter of an optimizer is, as far as its points tell."""

    label: str
    points: int
    """Points with a final score."""
    shares: tuple[tuple[str, float], ...]
    """Hyperparameter to the share of the variance that it explains alone, greatest first; empty
    where there is no variance."""


@dataclass(frozen=True)
class PointRestarted:
    """A point's worker died; another begins it again."""

    label: str
    number: int


@dataclass(frozen=True)
class Turning:
    """The search is alive, though it may have no news."""


@dataclass(frozen=True)
class SearchEnded:
    """Every optimizer has used up its budget."""


@dataclass(frozen=True)
class SearchBroken:
    """The search has broken off."""

    reason: str


Message = (
    Proposed
    | PointEpoch
    | PointEnded
    | PointRestarted
    | Weighed
    | Turning
    | SearchEnded
    | SearchBroken
)
"""What the process of a search tells its runner."""
