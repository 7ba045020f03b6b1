"""Made-up searches: a plausible one, and every awkward one a page may meet."""

import random
from dataclasses import replace
from datetime import timedelta

from service.search.model import (
    Importance,
    OptimizerSearch,
    SearchCounts,
    SearchedPoint,
    SearchResults,
)
from service.search.results import trace
from service.studies.model import StudyState, StudySummary
from tests.dashboards import samples
from workers.search.contracts import Halving, Kind, Parameter, PointState

VALIDATION = replace(samples.ACCURACY, split="validation")
RATE = Parameter("learning_rate", Kind.NUMBER, 1e-4, 1e-1, log=True)
DECAY = Parameter("weight_decay", Kind.NUMBER, 1e-4, 1.0, log=True, zero=True)
BETA = Parameter("beta1", Kind.NUMBER, 0.8, 0.95)
AMSGRAD = Parameter("amsgrad", Kind.CHOICE, choices=(True, False))
STATES = (PointState.DONE, PointState.PRUNED, PointState.DIVERGED, PointState.FAILED)


def point(number: int, state: PointState = PointState.DONE, **changes: object) -> SearchedPoint:
    dice = random.Random(number)
    rate, decay = 10 ** dice.uniform(-4, -1), dice.choice([0.0, 10 ** dice.uniform(-4, 0)])
    value = {PointState.DIVERGED: 0.1, PointState.FAILED: None}.get(state, dice.uniform(0.8, 0.97))
    final = state is not PointState.RUNNING
    made = SearchedPoint(
        optimizer="adamw",
        number=number,
        state=state,
        parameters={
            "learning_rate": rate,
            "weight_decay": decay,
            "beta1": dice.uniform(0.8, 0.95),
            "amsgrad": dice.random() < 0.5,
        },
        learning_rate=rate,
        weight_decay=decay,
        value=value,
        test_value=value if state is PointState.DONE else None,
        seed_scores=(value,) * 3 if final and value is not None else (),
        epochs=20 if state is PointState.DONE else 2,
        diverged=3 * (state is PointState.DIVERGED),
        reason="the loss ran away" if state in (PointState.DIVERGED, PointState.FAILED) else None,
        seconds=dice.uniform(1, 3),
        device="cpu (test)",
        created_at=samples.NOW,
        finished_at=samples.NOW + timedelta(seconds=number) if final else None,
    )
    return replace(made, **changes)


def optimizer(
    label: str = "adamw",
    title: str = "AdamW",
    points: tuple[SearchedPoint, ...] = (),
    space: tuple[Parameter, ...] = (RATE, DECAY, BETA, AMSGRAD),
    importance: Importance | None = None,
    maximize: bool = True,
) -> OptimizerSearch:
    points = tuple(replace(one, optimizer=label) for one in points)
    ended = [one for one in points if one.finished_at is not None]
    done = [one for one in ended if one.state is PointState.DONE]
    return OptimizerSearch(
        optimizer=label,
        title=title,
        entry="adamw",
        space=space,
        best=(max if maximize else min)(done, key=lambda one: one.value, default=None),
        points=points,
        trace=trace(ended, maximize),
        importance=importance or Importance(len(done), reason="not enough points: 3 of 10"),
    )


def results(*optimizers: OptimizerSearch, **changes: object) -> SearchResults:
    made = SearchResults(
        metric=VALIDATION,
        domain=(0.87, 0.97),
        optimizers=optimizers,
        seeds=3,
        epochs=20,
        points=24,
        halving=Halving(2, 3.0),
        sampler_seed=0,
    )
    return replace(made, **changes)


def everything() -> SearchResults:
    """Two optimizers with points of every state, one of them with importances."""
    told = Importance(12, (("learning_rate", 0.6), ("beta1", 0.2), ("amsgrad", 0.0)))
    many = tuple(point(n, STATES[n % 4 if n % 3 else 0]) for n in range(20))
    running = point(20, PointState.RUNNING)
    return results(
        optimizer("adamw", "AdamW", (*many, running), importance=told),
        optimizer("adam-lpwd", "Adam + LPWD", tuple(point(n + 50) for n in range(6))),
    )


def nothing_yet() -> SearchResults:
    return results(optimizer(), optimizer("adam-lpwd", "Adam + LPWD"), domain=None)


def first_point() -> SearchResults:
    return results(optimizer(points=(point(0, PointState.RUNNING, value=None),)), domain=None)


def one_result() -> SearchResults:
    return results(optimizer(points=(point(0, value=0.9),)), domain=(0.8, 0.9))


def only_failures() -> SearchResults:
    bad = tuple(point(n, STATES[2 + n % 2]) for n in range(6))
    return results(optimizer(points=bad), domain=None)


def minimised() -> SearchResults:
    points = tuple(point(n, value=3.0 - n / 10) for n in range(8))
    return results(optimizer(points=points, maximize=False), metric=samples.LOSS, domain=(2.0, 2.3))


def choices() -> SearchResults:
    """Rates from lists, of which one has 0, and a range without any logarithm."""
    space = (
        Parameter("learning_rate", Kind.NUMBER, 0.01, 0.02),
        Parameter("weight_decay", Kind.CHOICE, choices=(0.0, 0.1)),
    )
    points = tuple(
        point(
            n,
            learning_rate=0.01 + n / 1000,
            weight_decay=0.1 * (n % 2),
            parameters={"learning_rate": 0.01 + n / 1000, "weight_decay": 0.1 * (n % 2)},
        )
        for n in range(8)
    )
    return results(optimizer(points=points, space=space), halving=None)


def twelve() -> SearchResults:
    return results(
        *(
            optimizer(f"o{n}", f"Optimizer {n}", tuple(point(n * 10 + m) for m in range(4)))
            for n in range(12)
        )
    )


def hostile() -> SearchResults:
    title = samples.HOSTILE
    told = Importance(12, ((samples.HOSTILE, 0.6),))
    space = (RATE, DECAY, Parameter(samples.HOSTILE, Kind.CHOICE, choices=(samples.HOSTILE, "b")))
    bad = tuple(
        point(
            n,
            PointState.FAILED if n else PointState.DONE,
            reason=samples.HOSTILE if n else None,
            parameters={
                "learning_rate": 0.01,
                "weight_decay": 0.1,
                samples.HOSTILE: samples.HOSTILE,
            },
        )
        for n in range(2)
    )
    return results(optimizer(samples.HOSTILE, title, bad, space, told))


AWKWARD = {
    made.__name__: made
    for made in (
        everything,
        nothing_yet,
        first_point,
        one_result,
        only_failures,
        minimised,
        choices,
        twelve,
        hostile,
    )
}


def summary(**changes: object) -> StudySummary:
    """A running search."""
    return samples.summary(
        **{
            "optimizers": ("adamw", "adam-lpwd"),
            "learning_rates": (),
            "weight_decays": (),
            "trials": 30,
            "finished": 30,
            "running": 0,
            "reused": 3,
            "search": SearchCounts(48, 20, 15, 2, 1, 2, 90.0, None),
        }
        | changes
    )


def done(**changes: object) -> StudySummary:
    return summary(state=StudyState.DONE, progress=1.0, eta_seconds=None, **changes)
