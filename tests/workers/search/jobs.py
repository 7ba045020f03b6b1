"""Small searches to run."""

from workers.contracts import Budget
from workers.search.contracts import (
    Halving,
    Kind,
    Parameter,
    Past,
    PointState,
    Search,
    SearchedOptimizer,
    SearchJob,
)

RATE = Parameter("learning_rate", Kind.NUMBER, 1e-3, 1e-1, log=True)
DECAY = Parameter("weight_decay", Kind.NUMBER, 1e-4, 1.0, log=True, zero=True)
ADAM = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": False, "coupled": True}


def optimizer(name: str = "adamw", *more: Parameter, label: str | None = None) -> SearchedOptimizer:
    return SearchedOptimizer(label or name, name, 1, ADAM, (RATE, DECAY, *more))


def search(*optimizers: SearchedOptimizer, **changes) -> Search:
    return Search(
        **{
            "task": "digits-mlp",
            "task_version": 1,
            "optimizers": optimizers or (optimizer(),),
            "seeds": (0, 1),
            "budget": Budget(epochs=3, batch_size=64),
            "points": 4,
            "seconds": None,
            "halving": Halving(1, 3.0),
            "sampler_seed": 0,
        }
        | changes
    )


def job(*optimizers: SearchedOptimizer, past=None, **changes) -> SearchJob:
    return SearchJob(search(*optimizers, **changes), maximize=True, chance=0.1, past=past or {})


def past(
    number: int,
    state: PointState = PointState.DONE,
    means: tuple[float, ...] = (0.5, 0.6, 0.7),
    *,
    seconds: float = 1.0,
    **parameters,
) -> Past:
    return Past(
        number=number,
        parameters={"learning_rate": 0.01, "weight_decay": 0.1} | parameters,
        state=state,
        value=None if state is PointState.FAILED else means[-1],
        means=() if state is PointState.FAILED else means,
        seconds=seconds,
    )
