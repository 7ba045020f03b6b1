"""Studies in training, in a service of their own."""

import re
import time

import pytest

from service.studies.queries import MEASURING
from tests.faults.patient import PatientTask
from tests.live import ONE_WORKER, serving, wait_until

STUDY = {
    "task": "patient",
    "optimizers": ["adamw", "adam-lpwd"],
    "learning_rates": [0.001, 0.003, 0.01, 0.03],
    "weight_decays": [0, 0.01, 0.1],
    "seeds": 2,
    "budget": {"epochs": 10},
}
PACE = 0.1
"""Seconds of an epoch: far more than it has to compute, so that it takes as long anywhere."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def task(folder):
    return PatientTask(folder / "task", PACE)


@pytest.fixture(scope="module")
def client(folder, task):
    settings = {"PYTHONPATH": task.path, "LPWD_PACK_SIZE": "6", **ONE_WORKER}
    with serving(folder, **settings) as live, live.client() as client:
        yield client


def test_who_watches_is_told_that_the_first_of_a_kind_is_measured(client, task):
    task.pace(1.0)  # so that it is not over before somebody looks
    study_id = client.submit({**STUDY, "budget": {"epochs": 2}}).study.id
    seen = []
    for study in client.watch(study_id):
        seen.append(study.activity)
        if study.activity == MEASURING:
            task.pace(PACE)
    assert MEASURING in seen
    assert seen[-1] is None


def test_the_time_left_is_told_and_true(client):
    study_id = client.submit(STUDY).study.id
    assert client.study(study_id).eta_seconds is None

    def estimated():
        study = client.study(study_id)
        return study.finished >= 6 and study.eta_seconds

    left = wait_until(estimated)
    began = time.monotonic()
    ended = wait_until(lambda: (found := client.study(study_id)).state.final and found)
    took = time.monotonic() - began
    assert ended.eta_seconds is None
    # Loosely: the machine may be busy with something else now and not then.
    assert took / 2 - 1 < left < took * 2 + 1, (left, took)
    (where,) = client.manifest(study_id)["devices"]
    assert where["trained"] == 48
    assert re.fullmatch(r"cpu \(.+\), torch \d\S+, Python 3\.\S+", where["device"])
