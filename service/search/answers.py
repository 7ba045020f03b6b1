"""Points and results of a search in JSON."""

from datetime import datetime
from typing import Any

from service.bodies import Answer
from service.heatmaps.model import MetricView
from service.search.model import OptimizerSearch, SearchedPoint, SearchResults
from workers.search.contracts import PointState


class PointAnswer(Answer):
    """What was tried for one optimizer, and what came of it so far."""

    optimizer: str
    """Its label in the study."""
    number: int
    """Counted from 0, for each optimizer."""
    state: PointState
    parameters: dict[str, Any]
    """What was proposed, the two rates included."""
    learning_rate: float
    weight_decay: float
    value: float | None
    """Mean validation score over the seeds after its last epoch; a diverged seed scores chance."""
    test_value: float | None
    """Likewise on the test split; of points trained for their whole budget."""
    seed_scores: tuple[float, ...]
    """Of which `value` is the mean, in the order of the seeds; empty while it trains."""
    epochs: int
    """Trained so far."""
    diverged: int
    """Seeds that diverged."""
    reason: str | None
    """Why it diverged or failed."""
    seconds: float
    """Of training; of trials known before, what they took then."""
    device: str | None
    created_at: datetime
    finished_at: datetime | None


class PointWithScores(PointAnswer):
    """A point with its scores after every epoch."""

    scores: list[list[float]]
    """One list an epoch: the validation score of each seed."""
    trials: list[str]
    """Keys of its trials, one a seed; those of points that needed no more training have results."""


class PointPage(Answer):
    """Some points of a search, in the order in which they were begun."""

    items: tuple[PointAnswer, ...]
    next_offset: int | None
    """Hand it back as `offset` for the next page; null on the last."""


class StepAnswer(Answer):
    """A moment at which the best so far became better, or the last."""

    points: int
    """Points that had ended, stopped ones included."""
    seconds: float
    """Training that these took."""
    value: float


class ImportanceAnswer(Answer):
    """How much of the scores' variance each hyperparameter explains alone (fANOVA)."""

    points: int
    """Points it was told from: those with a final score."""
    shares: dict[str, float]
    """Greatest first; what is missing to 1 is due to their interplay, and to chance."""
    reason: str | None
    """Why there are none."""


class DimensionAnswer(Answer):
    """What a hyperparameter was drawn from."""

    name: str
    kind: str
    """``number``, ``integer`` or ``choice``."""
    low: float | None
    high: float | None
    log: bool
    choices: tuple[Any, ...]
    zero: bool


class OptimizerSearchAnswer(Answer):
    """What the search of one optimizer found."""

    optimizer: str
    title: str
    entry: str
    """Its name in the catalogue."""
    best: PointAnswer | None
    """Chosen on validation, among the points trained for their whole budget."""
    done: int
    pruned: int
    diverged: int
    failed: int
    running: int
    seconds: float
    """Training so far."""
    trace: tuple[StepAnswer, ...]
    """The best value so far, over points and seconds."""
    importance: ImportanceAnswer
    space: tuple[DimensionAnswer, ...]


class SearchAnswer(Answer):
    """The results of a search."""

    metric: dict[str, Any]
    seeds: int
    epochs: int
    points: int
    """Points each optimizer is given, at most."""
    asha: dict[str, Any] | None
    """When points are stopped early; null where none is."""
    sampler_seed: int
    optimizers: tuple[OptimizerSearchAnswer, ...]


def point_answer(point: SearchedPoint) -> PointAnswer:
    """Turn a point into JSON."""
    return PointAnswer.model_validate(point)


def search_answer(results: SearchResults) -> SearchAnswer:
    """Turn results into JSON."""
    return SearchAnswer(
        metric=_metric(results.metric),
        seeds=results.seeds,
        epochs=results.epochs,
        points=results.points,
        asha=None if results.halving is None else dict(vars(results.halving)),
        sampler_seed=results.sampler_seed,
        optimizers=tuple(map(_optimizer, results.optimizers)),
    )


def _metric(metric: MetricView) -> dict[str, Any]:
    return dict(vars(metric))


def _optimizer(one: OptimizerSearch) -> OptimizerSearchAnswer:
    return OptimizerSearchAnswer(
        optimizer=one.optimizer,
        title=one.title,
        entry=one.entry,
        best=None if one.best is None else point_answer(one.best),
        done=one.count(PointState.DONE),
        pruned=one.count(PointState.PRUNED),
        diverged=one.count(PointState.DIVERGED),
        failed=one.count(PointState.FAILED),
        running=one.count(PointState.RUNNING),
        seconds=one.seconds,
        trace=tuple(StepAnswer.model_validate(step) for step in one.trace),
        importance=ImportanceAnswer(
            points=one.importance.points,
            shares=dict(one.importance.shares),
            reason=one.importance.reason,
        ),
        space=tuple(DimensionAnswer.model_validate(parameter) for parameter in one.space),
    )
