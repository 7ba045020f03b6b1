"""From points to results: pure."""

from collections.abc import Mapping, Sequence

from service.heatmaps.aggregate import metric_view, title_of
from service.heatmaps.scale import colour_domain
from service.search.model import (
    Importance,
    OptimizerSearch,
    SearchedPoint,
    SearchResults,
    Step,
)
from service.search.planning import SearchSpec
from workers.search.contracts import ENOUGH, FINAL, PointState, SearchedOptimizer


def aggregate(
    spec: SearchSpec,
    points: Sequence[SearchedPoint],
    importances: Mapping[str, Importance],
) -> SearchResults:
    """Aggregate a search.

    Args:
        spec: What it asks for.
        points: All its points, in the order in which they were begun.
        importances: By label, where it was told.

    Raises:
        ConflictError: The task has left the catalogue since.
    """
    search = spec.search
    metric = metric_view(spec.task, "validation")
    found = tuple(
        _optimizer(
            optimizer,
            tuple(point for point in points if point.optimizer == optimizer.label),
            metric.maximize,
            importances.get(optimizer.label),
        )
        for optimizer in search.optimizers
    )
    values = [p.value for p in points if p.value is not None and p.state is PointState.DONE]
    return SearchResults(
        metric=metric,
        domain=colour_domain(values, metric),
        optimizers=found,
        seeds=len(search.seeds),
        epochs=search.budget.epochs,
        points=search.points,
        halving=search.halving,
        sampler_seed=search.sampler_seed,
    )


def _optimizer(
    optimizer: SearchedOptimizer,
    points: tuple[SearchedPoint, ...],
    maximize: bool,
    importance: Importance | None,
) -> OptimizerSearch:
    ended = sorted(
        (point for point in points if point.finished_at is not None),
        key=lambda point: (point.finished_at, point.number),
    )
    return OptimizerSearch(
        optimizer=optimizer.label,
        title=title_of(optimizer),
        entry=optimizer.name,
        space=optimizer.space,
        best=_best(ended, maximize),
        points=points,
        trace=trace(ended, maximize),
        importance=importance or _untold(sum(point.state in FINAL for point in points)),
    )


def _untold(final: int) -> Importance:
    if final < ENOUGH:
        return Importance(
            final, reason=f"not enough points: {final} of {ENOUGH} have a final score"
        )
    return Importance(final, reason="not told yet")


def _best(ended: Sequence[SearchedPoint], maximize: bool) -> SearchedPoint | None:
    sign = 1 if maximize else -1
    done = [point for point in ended if point.state is PointState.DONE]
    return max(done, key=lambda point: sign * (point.value or 0.0), default=None)


def trace(ended: Sequence[SearchedPoint], maximize: bool) -> tuple[Step, ...]:
    """Return how the best value grew, among points trained for their whole budget.

    Args:
        ended: Points in the order in which they ended.
        maximize: Whether higher is better.

    Returns:
        A step wherever the best became better, and one at the end; none without a value.
    """
    steps: list[Step] = []
    seconds = 0.0
    for count, point in enumerate(ended, start=1):
        seconds += point.seconds
        if point.state is not PointState.DONE or point.value is None:
            continue
        if not steps or _better(point.value, steps[-1].value, maximize):
            steps.append(Step(count, seconds, point.value))
    if steps and steps[-1].points < len(ended):
        steps.append(Step(len(ended), seconds, steps[-1].value))
    return tuple(steps)


def _better(value: float, other: float, maximize: bool) -> bool:
    return value > other if maximize else value < other
