"""What a study's results look like once aggregated: plain frozen records.

The charts, the pages and the REST answers all read these and nothing else, so they cannot
disagree with one another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class CellState(StrEnum):
    """How far a cell (optimizer, learning rate, weight decay) has come."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    DIVERGED = "diverged"
    """Every finished seed diverged."""
    FAILED = "failed"
    """At least one seed could not be trained; its reason is in the trial."""


@dataclass(frozen=True)
class MetricView:
    """The metric a map shows."""

    name: str
    """As the task calls it, for instance ``accuracy``."""
    split: str
    """``test`` or ``validation``."""
    maximize: bool
    chance: float
    """What guessing scores; a diverged run is given this score."""
    percent: bool
    """Whether the metric is a share in [0, 1], shown in per cent."""


@dataclass(frozen=True)
class Cell:
    """The seeds of one (learning rate, weight decay), aggregated."""

    learning_rate: float
    weight_decay: float
    state: CellState
    seeds: int
    """How many seeds the study asks for."""
    scores: tuple[float, ...]
    """One score a finished seed, in seed order; a diverged seed scores chance."""
    diverged: int
    failed: int
    mean: float | None
    """Mean of ``scores``; None while there is none."""
    low: float | None
    """Lower end of the 95 % interval of the mean (Student's t over seeds); None below two seeds."""
    high: float | None
    best: bool = False
    """The optimizer's chosen cell: best seed mean on the validation split."""
    within_tolerance: bool = False
    """Whether the mean lies within the tolerance of the best mean that is shown."""


@dataclass(frozen=True)
class Heatmap:
    """The cells of one optimizer: rows are weight decays, columns learning rates."""

    optimizer: str
    title: str
    learning_rates: tuple[float, ...]
    """Ascending."""
    weight_decays: tuple[float, ...]
    """Ascending; 0, where present, comes first and has a slot of its own."""
    cells: Mapping[tuple[float, float], Cell]
    """By (learning rate, weight decay); complete."""

    @property
    def best(self) -> Cell | None:
        """The chosen cell, or None while nothing is finished."""
        return next((cell for cell in self.cells.values() if cell.best), None)


@dataclass(frozen=True)
class RobustnessRow:
    """One optimizer's line in the robustness table. Scores are in the metric's own unit."""

    optimizer: str
    """Its label in the study."""
    title: str
    entry: str
    """Its name in the catalogue, whatever the label."""
    best: float | None
    best_low: float | None
    """95 % interval of the best, resampling seeds *inside* the choice of the cell."""
    best_high: float | None
    learning_rate: float | None
    weight_decay: float | None
    on_edge: tuple[str, ...]
    """Which of ``learning_rate``, ``weight_decay`` sit at the grid's edge: the true best may lie
    outside."""
    width: float | None
    """Tolerance width in decades of weight decay, around the best mean that is shown and at its
    learning rate. None where the map hardly rises above chance, or has no positive weight decay."""
    width_is_bound: bool
    """Whether the interval touches the grid's edge, so that the true width is at least this."""
    safe_decays: tuple[float, float] | None
    """The interval's ends, as weight decays."""
    area: float | None
    """Share of all cells within the tolerance, in [0, 1]."""
    area_low: float | None
    area_high: float | None
    log_decay_auc: float | None
    worst: float | None
    """Worst mean score over the weight decays at the best learning rate."""
    diverged: int
    """Diverged trials."""
    cells_done: int
    cells: int


@dataclass(frozen=True)
class LearningCurve:
    """The best cell's score by epoch, over its seeds."""

    optimizer: str
    title: str
    epochs: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...] | None
    """95 % interval over seeds, None below two seeds."""
    high: tuple[float, ...] | None
    seeds: int


@dataclass(frozen=True)
class StudyResults:
    """Everything a study page draws."""

    metric: MetricView
    tolerance: float
    """ε, in the metric's own unit (0.01 is one point of accuracy)."""
    domain: tuple[float, float] | None
    """Colour domain shared by all panels: ten points down from the best mean of the study."""
    heatmaps: tuple[Heatmap, ...]
    robustness: tuple[RobustnessRow, ...]
    curves: tuple[LearningCurve, ...]
    seeds: int
