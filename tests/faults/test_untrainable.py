"""Trials that cannot be trained: those that raise an error fail alone, with their reason; where a
worker's memory really runs out packs get smaller, and the study finishes."""

import os

import pytest
from sqlalchemy import select

from service.db.tables.studies import TrialRow
from service.studies.model import StudyState
from service.trials.model import TrialState
from tests.faults.plug_in import write_task
from tests.live import ONE_WORKER, serving, wait_until
from workers.training.seeds import Stream, derive

HUNGRY = '''
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from workers.tasks import Problem, Splits
from workers.tasks.classification import accuracy, cross_entropy

HELD = [torch.empty(0)]
LAST = []
PLANTED = Path({planted!r})


def load(seed):
    numbers = np.random.default_rng(seed)
    x = numbers.normal(size=(96, 16)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    return Splits(*((x[i:i + 32], y[i:i + 32]) for i in (0, 32, 64)))


class Model(nn.Module):
    """Takes 128 MB for a batch of 32, which it never looks at: that costs no time."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(16, 16) for _ in range(12)), nn.Linear(16, 2))

    def forward(self, inputs):
        outputs = self.layers(inputs)
        ballast = outputs.new_empty(len(outputs), 2**20)
        return outputs + ballast[:, :1].zero_()


def hold(inputs, generator):
    """Take and keep as much memory as the test has planted; until it has, be slow."""
    step = generator.initial_seed()
    if LAST != [step] and not PLANTED.exists():
        LAST[:] = [step]  # not in the one step that is measured, over and over
        time.sleep(0.1)
    wanted = int(PLANTED.read_text()) if PLANTED.exists() else 0
    if wanted != len(HELD[0]):
        HELD[0] = torch.empty(0)
        HELD[0] = torch.empty(wanted, dtype=torch.uint8)
    return inputs


PROBLEM = Problem(load, Model, cross_entropy, accuracy, augment=hold)
'''
PICKY = """
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
    "task": "hungry",
    "optimizers": ["adamw"],
    "learning_rates": [0.001, 0.002],
    "weight_decays": [0, 0.01, 0.1, 1],
    "seeds": 1,
}
"""8 trials of some 130 MB each."""
PICKED = {
    "task": "picky",
    "optimizers": ["adamw", "adam-lpwd"],
    "learning_rates": [0.001, 0.01],
    "weight_decays": [0, 0.1],
    "seeds": 4,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hungry")


@pytest.fixture(scope="module")
def live(folder):
    """A service with tasks of which one takes memory that measuring has not seen."""
    hungry = HUNGRY.format(planted=str(folder / "planted"))
    picky = PICKY.replace("{unwanted}", str(derive(1, Stream.SPLIT)))
    paths = (
        write_task(folder / "hungry", "hungry", hungry, summary="Is never full.", epochs=600),
        write_task(folder / "picky", "picky", picky, summary="Has no seed 1.", epochs=3),
    )
    settings = {"PYTHONPATH": os.pathsep.join(paths), "LPWD_WORKER_MEMORY": "2GB", **ONE_WORKER}
    with serving(folder, **settings) as live:
        yield live


@pytest.fixture
def train(live, folder):
    """Send the study, take memory away once it trains, and wait for its end."""
    planted = folder / "planted"

    def train(held, **changes):
        with live.client() as client:
            study_id = client.submit(STUDY | changes).study.id
            wait_until(lambda: client.study(study_id).running)
            unfinished = planted.with_suffix(".new")
            unfinished.write_text(str(held))
            unfinished.replace(planted)
            return wait_until(lambda: (study := client.study(study_id)).state.final and study)

    yield train
    planted.unlink(missing_ok=True)


def test_a_pack_that_is_too_large_is_split_until_it_fits(live, train):
    study = train(held=1_480_000_000)
    assert study.state is StudyState.DONE, study.error
    assert study.finished == 8
    assert "was too large and is split" in live.log.read_text()
    database = live.database()
    with database.read() as session:
        trials = session.scalars(select(TrialRow)).all()
    database.close()
    assert {trial.epochs_done for trial in trials} == {600}
    assert {trial.attempts for trial in trials} == {0}


def test_what_does_not_fit_alone_fails_and_says_what_to_do(live, train):
    study = train(held=4_000_000_000, seeds=[1])
    assert study.state is StudyState.FAILED
    assert study.failed > 0
    assert "one trial alone does not fit into memory" in study.error
    assert "smaller batch size" in study.error
    # Workers have come through it, and go on with what fits.
    with live.client() as client:
        other = client.submit({**STUDY, "task": "digits-linear", "budget": {"epochs": 1}})
        wait_until(lambda: client.study(other.study.id).state is StudyState.DONE)


def test_a_trial_fails_alone_and_keeps_its_reason(live):
    with live.client() as client:
        study_id = client.submit(PICKED).study.id
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
