"""Trials of a study: filters, where a trial is used, and training it again to the same bits."""

import json
import shlex
import subprocess
import sys

import numpy as np
import pytest

from service.db.tables.studies import TrialRow
from service.queue.results import Result, give_up
from tests.service import work
from tests.service.samples import fill
from workers.contracts import CURVES, Pack

STUDIES = "/api/v1/studies"


def listed(client, study_id, **filters):
    answer = client.get(f"{STUDIES}/{study_id}/trials", params=filters)
    assert answer.is_success, answer.text
    return answer.json()["items"]


@pytest.fixture
def mixed(database, study):
    """A study with one optimizer under three labels; the first trial failed, the second did not."""
    study_id = work.send(
        database,
        study(
            optimizers=[
                "adamw",
                {"name": "adamw", "label": "slow", "hyperparameters": {"beta1": 0.5}},
                {"name": "adamw", "label": "ams", "hyperparameters": {"amsgrad": True}},
                "adam-l2",
            ]
        ),
    )
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys[:2])
    give_up(database, held, {keys[0]: "out of memory"})
    work.record(database, held, results=[work.result(keys[1])])
    return study_id


def test_by_state_label_rates_and_seed(client, mixed):
    assert len(listed(client, mixed)) == 32
    assert len(listed(client, mixed, state="failed")) == 1
    assert len(listed(client, mixed, state=["failed", "done"])) == 2
    for label, own in (
        ("adamw", {"beta1": 0.9, "amsgrad": False}),
        ("slow", {"beta1": 0.5, "amsgrad": False}),
        ("ams", {"beta1": 0.9, "amsgrad": True}),
        ("adam-l2", {}),
    ):
        found = listed(client, mixed, optimizer=label)
        assert len(found) == 8
        assert {one["optimizer"] for one in found} == {"adam-l2" if not own else "adamw"}
        assert all(one["hyperparameters"].items() >= own.items() for one in found)
    assert len(listed(client, mixed, learning_rate=0.01)) == 16
    assert len(listed(client, mixed, learning_rate=[0.001, 0.01], weight_decay=0)) == 16
    assert len(listed(client, mixed, seed=[1, 7], weight_decay=0.1, optimizer="slow")) == 2
    assert listed(client, mixed, seed=7) == []


def test_pages_of_what_a_filter_finds(client, mixed):
    path, keys, offset = f"{STUDIES}/{mixed}/trials", [], 0
    while offset is not None:
        page = client.get(path, params={"seed": 1, "limit": 5, "offset": offset}).json()
        keys += [one["key"] for one in page["items"]]
        offset = page["next_offset"]
    assert keys == [one["key"] for one in listed(client, mixed, seed=1)]
    assert len(set(keys)) == 16


def test_a_label_that_the_study_does_not_have_is_refused(client, mixed):
    answer = client.get(f"{STUDIES}/{mixed}/trials", params={"optimizer": "none"})
    assert answer.status_code == 422
    assert "adamw, slow, ams, adam-l2" in answer.json()["detail"]


def test_of_a_search_by_label(client, database):
    study_id = fill(database)["search"]
    assert len(listed(client, study_id, optimizer="adamw")) == 2
    assert client.get(f"{STUDIES}/{study_id}/trials", params={"optimizer": "x"}).status_code == 422


def test_a_trial_says_where_it_is_used_and_what_befell_it(client, database, mixed, study):
    other = work.send(database, study(optimizers=["adamw"], name="Other"))
    key = listed(client, mixed, optimizer="adamw")[0]["key"]
    found = client.get(f"/api/v1/trials/{key}").json()
    assert [one["id"] for one in found["studies"]] == [other, mixed]
    assert found["studies"][0]["name"] == "Other"
    assert found["last_loss"] is None
    assert found["reproduce"].startswith('lpwd trial run \'{"task":"digits-mlp"')


def again(command: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run what `reproduce` says, as a shell would."""
    program, *arguments = shlex.split(command)
    assert program == "lpwd"
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments, *options], capture_output=True, text=True
    )


ONCE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what takes processes that import torch, and asks little of the database."""


@ONCE
def test_the_command_trains_it_again_to_the_same_bits(client, database, study):
    """Against what a stack of other trials gave, as a worker trains it."""
    from workers import device
    from workers.training import train

    study_id = work.send(database, study(seeds=1, numerics={"precision": "float32"}))
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys)
    with database.read() as session:
        spec = work.repository.load_spec(session, study_id)
    pack = Pack(tuple(spec.keyed[key] for key in keys))
    reports = [report.values for report in train(pack, device.prepare(gpu=False))]
    curves = np.stack(reports, axis=1)
    work.record(
        database,
        held,
        results=[
            Result(key, "adamw", curves[place], None, 1.0, "cpu") for place, key in enumerate(keys)
        ],
    )
    key = keys[-1]
    stored = client.get(f"/api/v1/trials/{key}").json()
    done = again(stored["reproduce"])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["key"], told["state"]) == (key, "done")
    assert told["curves"] == stored["curves"]
    assert told["curves"]["test_score"][-1] == stored["test_score"]
    alone = json.loads(again(stored["reproduce"], "--alone").stdout)["curves"]
    for name in CURVES:
        assert alone[name] == pytest.approx(stored["curves"][name], rel=1e-3)


@ONCE
def test_what_would_give_other_numbers_is_refused(client, database, sent):
    sent()
    key = work.rows(database, TrialRow)[0].key
    command = client.get(f"/api/v1/trials/{key}").json()["reproduce"]
    for old, new, said in (
        ('"engine_version":', '"engine_version":9', "version 9"),
        ('"task":"digits-mlp"', '"task":"gone"', "unknown task"),
        ('"seed":', '"sed":', "this is no trial"),
    ):
        done = again(command.replace(old, new))
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
