"""Which hyperparameters matter: fANOVA. Imports Optuna, and scikit-learn when it is asked."""

import math
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from workers.search.contracts import Kind, Parameter, Value

SEED = 0
"""Of the random forest that importance is told from."""
ZERO_SLOT = 1.0
"""Decades below its range that no decay at all counts for."""


def importance(
    space: tuple[Parameter, ...], points: Sequence[tuple[Mapping[str, Value], float]]
) -> dict[str, float]:
    """Tell how much of the variance each hyperparameter explains alone (Hutter et al. 2014).

    Parameters on a log scale enter as their logarithm; no decay at all counts as a decade below the
    range of the weight decay.

    Args:
        space: Where points were proposed.
        points: Parameters and value of each.

    Returns:
        Hyperparameter to share in [0, 1], greatest first; the rest is due to their interplay, and
        to chance. Empty where all values are the same.
    """
    if len({value for _, value in points}) < 2:
        return {}
    distributions = {parameter.name: _plain(parameter) for parameter in space}
    study = optuna.create_study()
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={one.name: _coordinate(one, parameters[one.name]) for one in space},
                distributions=distributions,
                value=value,
            )
            for parameters, value in points
        ]
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=SEED)
    return {name: float(share) for name, share in evaluator.evaluate(study).items()}


def _plain(parameter: Parameter) -> BaseDistribution:
    """Return a distribution that fANOVA, which knows no log scale, sees as it was searched."""
    if parameter.kind is Kind.CHOICE:
        return CategoricalDistribution(parameter.choices)
    assert parameter.low is not None  # noqa: S101 - only a choice has none
    assert parameter.high is not None  # noqa: S101
    low, high = _scaled(parameter, parameter.low), _scaled(parameter, parameter.high)
    return FloatDistribution(low - ZERO_SLOT if parameter.zero else low, high)


def _coordinate(parameter: Parameter, value: Value) -> Value:
    if parameter.kind is Kind.CHOICE:
        return value
    if parameter.zero and value == 0:
        assert parameter.low is not None  # noqa: S101
        return _scaled(parameter, parameter.low) - ZERO_SLOT
    return _scaled(parameter, float(value))


def _scaled(parameter: Parameter, value: float) -> float:
    return math.log10(value) if parameter.log else value
