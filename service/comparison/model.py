"""What a comparison says: plain frozen records."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from service.heatmaps.model import MetricView


class MeasureName(StrEnum):
    """What of two whole maps is compared."""

    BEST = "best"
    """Score of the cell chosen on validation; in the metric's unit."""
    WIDTH = "width"
    """Tolerance width, in decades of weight decay."""
    AREA = "area"
    """Share of all cells within the tolerance of the best."""


@dataclass(frozen=True)
class CellDifference:
    """One (learning rate, weight decay): an optimizer less the reference, over shared seeds."""

    learning_rate: float
    weight_decay: float
    difference: float | None
    """Mean, in the metric's unit; None without a shared seed. A diverged seed scores chance."""
    low: float | None
    """95 % interval (Student's t over seeds); None below two shared seeds."""
    high: float | None
    seeds: int
    """Shared seeds."""
    p: float
    """Of no difference, by exchanging the two optimizers seed by seed; not adjusted."""
    p_adjusted: float
    """Likewise, after Holm over all cells of all optimizers of this comparison."""
    significant: bool
    better: bool | None
    """Whether the optimizer is ahead of the reference here; None where they are level, or nothing
    is known."""
    diverged: bool
    """Whether every shared seed of either diverged."""


@dataclass(frozen=True)
class MeasureDifference:
    """A measure of an optimizer's map, less that of the reference's."""

    measure: MeasureName
    difference: float | None
    """None where it cannot be told, for which `reason` says why."""
    low: float | None
    """95 % interval, resampling the seeds of both alike; None below two seeds."""
    high: float | None
    p: float | None
    p_adjusted: float | None
    """After Holm over the measures of all optimizers of this comparison."""
    significant: bool
    reason: str | None = None


@dataclass(frozen=True)
class OptimizerDifference:
    """An optimizer against the reference."""

    optimizer: str
    """Its label in the study."""
    title: str
    entry: str
    """Its name in the catalogue."""
    learning_rates: tuple[float, ...]
    weight_decays: tuple[float, ...]
    cells: Mapping[tuple[float, float], CellDifference]
    """By (learning rate, weight decay); complete."""
    measures: tuple[MeasureDifference, ...]

    def of(self, measure: MeasureName) -> MeasureDifference:
        """Return the difference of one measure."""
        return next(one for one in self.measures if one.measure is measure)


@dataclass(frozen=True)
class Comparison:
    """A study's optimizers against one of them."""

    metric: MetricView
    tolerance: float
    reference: str
    """Label of what the others are compared with."""
    reference_title: str
    seeds: int
    """Of the study."""
    seeds_needed: int
    """Fewer can show nothing: the smallest p of n seeds is 2/2ⁿ."""
    domain: float
    """Colours go from -domain to domain."""
    optimizers: tuple[OptimizerDifference, ...]
    """All but the reference, in the study's order."""
