"""A search space and its points in Optuna's terms. Imports Optuna: not for the API process."""

from collections.abc import Mapping
from typing import Any, Protocol

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from workers.search.contracts import DECAYS, Kind, Parameter, Past, PointState, Value

STATES = {
    PointState.DONE: TrialState.COMPLETE,
    PointState.DIVERGED: TrialState.COMPLETE,
    PointState.PRUNED: TrialState.PRUNED,
    PointState.FAILED: TrialState.FAIL,
}
"""Divergence is a result, with the value of chance."""


class Suggests(Protocol):
    """What `optuna.Trial` does, and Ray's wrapper around it."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """Propose a number."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        """Propose an integer."""
        ...

    def suggest_categorical(self, name: str, choices: tuple[Value, ...]) -> Any:
        """Propose one of some values."""
        ...


def suggest(trial: Suggests, space: tuple[Parameter, ...]) -> dict[str, Value]:
    """Ask Optuna for a point; returns its parameters by name."""
    return {parameter.name: _suggest(trial, parameter) for parameter in space}


def _suggest(trial: Suggests, parameter: Parameter) -> Value:
    if parameter.kind is Kind.CHOICE:
        value: Value = trial.suggest_categorical(parameter.name, parameter.choices)
        return value
    assert parameter.low is not None  # noqa: S101 - only a choice has none
    assert parameter.high is not None  # noqa: S101
    if parameter.kind is Kind.INTEGER:
        low, high = int(parameter.low), int(parameter.high)
        return trial.suggest_int(parameter.name, low, high, log=parameter.log)
    if parameter.zero and not trial.suggest_categorical(DECAYS, (True, False)):
        return 0.0
    return trial.suggest_float(parameter.name, parameter.low, parameter.high, log=parameter.log)


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return what Optuna draws a parameter from."""
    if parameter.kind is Kind.CHOICE:
        return CategoricalDistribution(parameter.choices)
    assert parameter.low is not None  # noqa: S101 - only a choice has none
    assert parameter.high is not None  # noqa: S101
    if parameter.kind is Kind.INTEGER:
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def told(
    space: tuple[Parameter, ...], past: Past, attributes: Mapping[str, Any] | None = None
) -> FrozenTrial:
    """Return a point that has ended as Optuna would have stored it.

    Args:
        space: In which it was proposed.
        past: The point.
        attributes: User attributes of the trial.
    """
    values: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}
    for parameter in space:
        value = past.parameters[parameter.name]
        if parameter.zero:
            values[DECAYS], distributions[DECAYS] = (
                value != 0,
                CategoricalDistribution((True, False)),
            )
        if not parameter.zero or value != 0:
            values[parameter.name] = value
            distributions[parameter.name] = distribution(parameter)
    state = STATES[past.state]
    return optuna.trial.create_trial(
        state=state,
        value=None if state is TrialState.FAIL else past.value,
        params=values,
        distributions=distributions,
        user_attrs=dict(attributes or {}),
        intermediate_values=dict(enumerate(past.means, start=1)),
    )
