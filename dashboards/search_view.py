"""What a search's page, and each of its parts, shows."""

from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from dashboards import formatting
from dashboards.charts import plane as planes
from dashboards.charts import scale
from dashboards.charts.importance import importance
from dashboards.charts.theme import PAGE, Spec, Theme
from dashboards.charts.trace import Over, best_so_far
from service.search.model import OptimizerSearch, SearchResults
from service.studies.model import StudySummary
from workers.search.contracts import Kind, Parameter, PointState

Draw = Callable[[Spec], Markup]

KEY = (
    ("best", "best"),
    ("ring", "stopped early"),
    ("diverged", "diverged"),
    ("hatched", "failed"),
    ("running", "training"),
)
"""Icons of the planes, and the words for them."""
_STATES = {
    "ring": PointState.PRUNED,
    "diverged": PointState.DIVERGED,
    "hatched": PointState.FAILED,
    "running": PointState.RUNNING,
}


def search_context(
    study: StudySummary, results: SearchResults, draw: Draw, theme: Theme = PAGE
) -> dict[str, Any]:
    """Return what the templates of a search need. Charts are drawn where a template asks."""
    return {
        "study": study,
        "results": results,
        "metric": results.metric,
        "live": not study.state.final,
        "begun": any(one.points for one in results.optimizers),
        "key": key(results),
        "scale": "{} {}".format(*scale.ends(results)),
        "ramp": scale.captions(results),
        "verdict": verdict(results, ended=study.state.final),
        "honesty": honesty(results),
        "own": own_parameters(results),
        "words": planes.words,
        "shown": planes.shown,
        "range_of": range_of,
        "stopping": stopping(results),
        "Over": Over,
        "PointState": PointState,
        "draw_plane": lambda one: draw(planes.plane(one, results, theme=theme)),
        "draw_trace": lambda over: draw(best_so_far(results, over, theme)),
        "draw_importance": lambda: draw(importance(results, theme)),
        "describe": lambda point, one: planes.describe(point, one, results),
    }


def key(results: SearchResults) -> tuple[tuple[str, str], ...]:
    """The icons that occur on the planes, each with its words."""

    def occurs(icon: str) -> bool:
        if icon == "best":
            return any(one.best is not None for one in results.optimizers)
        return any(one.count(_STATES[icon]) for one in results.optimizers)

    return tuple((icon, words) for icon, words in KEY if occurs(icon))


def own_parameters(results: SearchResults) -> tuple[str, ...]:
    """Names of the hyperparameters that were searched besides the two rates."""
    names = (dimension.name for one in results.optimizers for dimension in one.space[2:])
    return tuple(dict.fromkeys(names))


def range_of(dimension: Parameter) -> str:
    """What a hyperparameter was drawn from, in words."""
    if dimension.kind is Kind.CHOICE:
        return ", ".join(planes.shown(dimension.name, choice) for choice in dimension.choices)
    whole = dimension.kind is Kind.INTEGER
    low, high = (
        planes.shown(dimension.name, int(end) if whole else end)
        for end in (dimension.low, dimension.high)
        if end is not None
    )
    return f"{low} to {high}{', or 0' if dimension.zero else ''}"


def stopping(results: SearchResults) -> str:
    """When points are stopped early, in words."""
    halving = results.halving
    if halving is None:
        return "none: every point trains in full"
    epochs, rung = [], float(halving.grace_epochs)
    while rung < results.epochs:
        epochs.append(f"{rung:.3g}")
        rung *= halving.reduction_factor
    if not epochs:
        return "none: the grace period is the whole budget"
    share = f"one in {halving.reduction_factor:g}"
    return f"after {', '.join(epochs)} epochs {share} goes on (ASHA)"


def verdict(results: SearchResults, *, ended: bool = False) -> str | None:
    """Which optimizer's best point is best, and how that came; None while there is none."""
    found = [one for one in results.optimizers if one.best is not None]
    if not found:
        return None
    sign = 1 if results.metric.maximize else -1
    leader = max(found, key=lambda one: sign * _value(one))
    level = [one for one in found if _value(one) == _value(leader)]
    score = formatting.score(_value(leader), results.metric)
    split = results.metric.split
    if len(level) > 1:
        titles = [one.title for one in level]
        said = f"{', '.join(titles[:-1])} and {titles[-1]} share the best {split} score, {score}."
    elif len(results.optimizers) == 1:
        said = f"The best {split} score is {score}."
    else:
        said = f"{leader.title} has the best {split} score, {score}."
    complete = ended or all(one.ended == results.points for one in results.optimizers)
    return said if complete else f"So far: {said}"


def honesty(results: SearchResults) -> str:
    """How far a search carries."""
    seeds = formatting.count(results.seeds, "seed")
    return (
        "Every optimizer was given the same budget. The best of many points is chosen by their "
        "validation scores, so that score flatters it; the test score, of the last epoch, had no "
        "part in the choice. A seed that diverged counts at the score of chance. There is no test "
        f"of significance here: {seeds} and one course of proposals cannot tell a small difference "
        "from chance. Another sampler seed shows how far proposals matter."
    )


def _value(one: OptimizerSearch) -> float:
    assert one.best is not None  # noqa: S101 - only asked of those that have one
    assert one.best.value is not None  # noqa: S101 - a point trained in full has a value
    return one.best.value
