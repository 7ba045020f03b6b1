"""Trials that raise an error: each fails alone, with its reason, and the others are trained."""

import pytest

from service.studies.model import StudyState
from service.trials.model import TrialState
from tests.faults.plug_in import write_task
from tests.live import ONE_WORKER, serving, wait_until
from workers.training.seeds import Stream, derive

PROBLEM = """
import numpy as np
from torch import nn
from workers.tasks import Problem, Splits
from workers.tasks.classification import accuracy, cross_entropy


def load(seed):
    if seed == {unwanted}:
        raise FileNotFoundError("the split of seed 1 is not here")
    numbers = np.random.default_rng(seed)
    x = numbers.normal(size=(96, 16)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    return Splits(*((x[i:i + 32], y[i:i + 32]) for i in (0, 32, 64)))


PROBLEM = Problem(load, lambda: nn.Linear(16, 2), cross_entropy, accuracy)
"""
STUDY = {
    "task": "picky",
    "optimizers": ["adamw", "adam-lpwd"],
    "learning_rates": [0.001, 0.01],
    "weight_decays": [0, 0.1],
    "seeds": 4,
}


@pytest.fixture
def live(tmp_path):
    problem = PROBLEM.replace("{unwanted}", str(derive(1, Stream.SPLIT)))
    path = write_task(tmp_path / "task", "picky", problem, summary="Has no seed 1.", epochs=3)
    with serving(tmp_path, PYTHONPATH=path, **ONE_WORKER) as live:
        yield live


def test_a_trial_fails_alone_and_keeps_its_reason(live):
    with live.client() as client:
        study_id = client.submit(STUDY).study.id
        study = wait_until(lambda: (now := client.study(study_id)).state.final and now)
        trials = list(client.trials(study_id))
    assert study.state is StudyState.FAILED
    assert study.error.startswith("8 trials could not be trained; the first: FileNotFoundError")
    assert {(trial.state, trial.seed == 1) for trial in trials} == {
        (TrialState.DONE, False),
        (TrialState.FAILED, True),
    }
    for trial in trials:
        if trial.seed == 1:
            assert trial.reason == "FileNotFoundError: the split of seed 1 is not here"
