"""Data sets in the catalogue, and studies whose data is not here."""

import pytest

from service.presets import everything
from tests.workers.tiny_data import tiny_datasets
from workers import data, tasks

COMMAND = "run `lpwd data fetch mnist`"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(data.FOLDER, str(tmp_path / "datasets"))
    return tmp_path / "datasets"


def test_data_sets_are_listed_with_whether_they_are_here(client, folder):
    def here():
        listed = client.get("/api/v1/datasets").json()
        assert [one["name"] for one in listed] == list(data.names())
        return {one["name"]: one["here"] for one in listed}

    assert here()["digits"]
    assert not here()["mnist"]
    tiny_datasets(folder, ("mnist",))
    assert here()["mnist"]
    by_name = {one["name"]: one for one in client.get("/api/v1/datasets").json()}
    assert by_name["cifar10"]["download_bytes"] == 170_498_071
    assert by_name["digits"]["package"] == "scikit-learn"


def test_tasks_say_what_they_need_and_whether_it_is_here(client, folder):
    task = client.get("/api/v1/tasks/cifar10-convnext-tiny").json()
    assert task["datasets"] == ["cifar10", "convnext-tiny-imagenet"]
    assert task["download_bytes"] == 284_917_635
    assert "flips" in task["augmentation"]
    assert not task["here"]
    assert client.get("/api/v1/tasks/digits-mlp").json()["here"]
    tiny_datasets(folder, ("mnist",))
    assert {one["name"] for one in client.get("/api/v1/tasks").json() if one["here"]} == {
        task.name for task in tasks.tasks() if not task.download_bytes
    } | {"mnist-mlp"}


def test_a_study_without_its_data_is_refused_with_the_command_that_fetches_it(
    client, study, folder
):
    body = study(task="mnist-mlp")
    schedule = {"name": "nightly", "cron": "0 2 * * *", "study": body}
    requests = (
        ("task", "/api/v1/studies", body),
        ("task", "/api/v1/studies?dry_run=true", body),
        ("study.task", "/api/v1/schedules", schedule),
    )
    for field, address, sent in requests:
        answer = client.post(address, json=sent)
        assert answer.status_code == 422, address
        problem = answer.json()
        assert COMMAND in problem["detail"]
        assert [error["field"] for error in problem["errors"]] == [field]
    assert client.get("/api/v1/studies").json()["items"] == []
    tiny_datasets(folder, ("mnist",))
    assert [client.post(address, json=sent).status_code for _, address, sent in requests] == [
        201,
        200,
        201,
    ]


def test_a_schedule_whose_data_is_gone_says_so_when_it_fires(client, study, folder):
    tiny_datasets(folder, ("mnist",))
    schedule = {"name": "nightly", "cron": "0 2 * * *", "study": study(task="mnist-mlp")}
    created = client.post("/api/v1/schedules", json=schedule).json()
    (folder / "mnist/fetched.json").unlink()
    firing = client.post(f"/api/v1/schedules/{created['id']}/run").json()
    assert firing["study_id"] is None
    assert COMMAND in firing["error"]


def test_presets_are_counted_without_their_data(client):
    assert all(preset.trials for preset in everything())
