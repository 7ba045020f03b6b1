"""Spaces and points in Optuna's terms."""

import optuna
import pytest
from optuna.trial import TrialState

from tests.workers.search import jobs
from workers.search.contracts import DECAYS, Kind, Parameter, PointState
from workers.search.optuna_space import suggest, told

SPACE = (
    jobs.RATE,
    jobs.DECAY,
    Parameter("beta1", Kind.NUMBER, 0.8, 0.95),
    Parameter("shuffle_seed", Kind.INTEGER, 0, 7),
    Parameter("amsgrad", Kind.CHOICE, choices=(True, False)),
)


@pytest.fixture
def study():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))


def test_proposals_lie_in_the_space_and_have_its_types(study):
    found = [suggest(study.ask(), SPACE) for _ in range(60)]
    assert all(1e-3 <= point["learning_rate"] <= 1e-1 for point in found)
    decays = {point["weight_decay"] for point in found}
    assert 0.0 in decays
    assert all(decay == 0 or 1e-4 <= decay <= 1 for decay in decays)
    assert {point["shuffle_seed"] for point in found} == set(range(8))
    assert {type(point["shuffle_seed"]) for point in found} == {int}
    assert {point["amsgrad"] for point in found} == {True, False}


def test_what_was_proposed_can_be_told_as_it_was_asked(study):
    for _ in range(20):
        asked = study.ask()
        parameters = suggest(asked, SPACE)
        again = told(SPACE, jobs.past(0, **parameters))
        assert again.params == asked.params
        assert again.distributions == asked.distributions
        study.add_trial(again)


def test_a_point_without_decay_has_no_rate_of_it():
    trial = told(SPACE[:2], jobs.past(0, weight_decay=0.0))
    assert trial.params == {"learning_rate": 0.01, DECAYS: False}
    trial = told(SPACE[:2], jobs.past(0))
    assert trial.params == {"learning_rate": 0.01, DECAYS: True, "weight_decay": 0.1}


@pytest.mark.parametrize(
    ("state", "theirs", "value"),
    [
        (PointState.DONE, TrialState.COMPLETE, 0.7),
        (PointState.DIVERGED, TrialState.COMPLETE, 0.7),
        (PointState.PRUNED, TrialState.PRUNED, 0.7),
        (PointState.FAILED, TrialState.FAIL, None),
    ],
)
def test_states_values_and_epochs_are_optunas(study, state, theirs, value):
    trial = told(SPACE[:2], jobs.past(0, state), {"seed": 1})
    study.add_trial(trial)
    assert (trial.state, trial.value) == (theirs, value)
    assert trial.user_attrs == {"seed": 1}
    if value is not None:
        assert trial.intermediate_values == {1: 0.5, 2: 0.6, 3: 0.7}
