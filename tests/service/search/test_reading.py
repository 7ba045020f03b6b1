"""Points and results over REST, and the storage file as Optuna opens it."""

import optuna
import pytest
from optuna.trial import TrialState

from service.search.repository import finish, forget_running, weigh
from tests.service import work
from tests.service.refusals import refused
from tests.service.search import points
from workers.search.contracts import PointState, Weighed
from workers.search.record import PointRecord

STUDIES = "/api/v1/studies"


@pytest.fixture
def searched(database, searching):
    """A search with points of every kind; returns its id."""
    study_id = searching()
    held = work.lease(database)
    for number, score in enumerate((0.7, 0.9, 0.8)):
        points.try_point(
            database,
            held,
            "adamw",
            number,
            record_=points.recorded(0.2, 0.3, 0.4, score),
            learning_rate=0.01 * (number + 1),
            weight_decay=0.0 if number == 1 else 0.1,
            beta1=0.9,
        )
    points.try_point(
        database,
        held,
        "adamw",
        3,
        PointState.PRUNED,
        record_=points.recorded(0.1, 0.2),
        beta1=0.85,
    )
    points.try_point(
        database,
        held,
        "adam-lpwd",
        0,
        PointState.DIVERGED,
        record_=points.recorded(0.5, diverged={1: {0: "why", 1: "why"}}),
        reason="why",
    )
    points.try_point(
        database,
        held,
        "adam-lpwd",
        1,
        PointState.FAILED,
        record_=PointRecord(2, 0.1),
        reason="broken",
    )
    points.begin(database, held, "adam-lpwd", 2)
    weigh(database, held, Weighed("adamw", 3, (("learning_rate", 0.5),)))
    weigh(database, held, Weighed("adamw", 3, (("learning_rate", 0.6), ("beta1", 0.2))))
    return study_id, held


def get(client, path, **parameters):
    answer = client.get(f"{STUDIES}/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_points_are_listed_page_by_page(client, searched):
    study_id, _ = searched
    whole = get(client, f"{study_id}/points")
    assert whole["next_offset"] is None
    keys = [(one["optimizer"], one["number"]) for one in whole["items"]]
    assert keys == [("adamw", n) for n in range(4)] + [("adam-lpwd", n) for n in range(3)]
    first = get(client, f"{study_id}/points", limit=3)
    assert first["next_offset"] == 3
    second = get(client, f"{study_id}/points", limit=4, offset=3)
    assert first["items"] + second["items"] == whole["items"]
    assert second["next_offset"] is None


def test_points_can_be_asked_for_by_optimizer_and_state(client, searched):
    study_id, _ = searched
    only = get(client, f"{study_id}/points", optimizer="adamw", state="done")["items"]
    assert [one["number"] for one in only] == [0, 1, 2]
    assert get(client, f"{study_id}/points", optimizer="nobody")["items"] == []
    refused(client.get(f"{STUDIES}/{study_id}/points", params={"state": "lost"}), "state")
    refused(client.get(f"{STUDIES}/{study_id}/points", params={"optimizer": "\0"}), "optimizer")


def test_a_point_says_what_was_tried_and_what_came_of_it(client, searched):
    study_id, _ = searched
    point = get(client, f"{study_id}/points/adamw/1")
    assert point["parameters"] == {"learning_rate": 0.02, "weight_decay": 0.0, "beta1": 0.9}
    assert (point["state"], point["epochs"], point["seconds"]) == ("done", 4, 2.0)
    assert point["value"] == pytest.approx(0.9)
    assert point["test_value"] == pytest.approx(0.89)
    assert point["seed_scores"] == pytest.approx([0.9, 0.9])
    assert [len(epoch) for epoch in point["scores"]] == [2, 2, 2, 2]
    for key in point["trials"]:
        assert client.get(f"/api/v1/trials/{key}").json()["learning_rate"] == 0.02
    running = get(client, f"{study_id}/points/adam-lpwd/2")
    assert (running["state"], running["value"], running["scores"]) == ("running", None, [])
    failed = get(client, f"{study_id}/points/adam-lpwd/1")
    assert (failed["state"], failed["reason"]) == ("failed", "broken")


@pytest.mark.parametrize("path", ["adamw/9", "nobody/0", "adamw/-1", "adamw/x", "A b/0"])
def test_a_point_that_is_not_there_is_said_so(client, searched, path):
    body = refused(client.get(f"{STUDIES}/{searched[0]}/points/{path}"))
    assert body["status"] in (404, 422)


def test_results_name_the_best_and_what_mattered(client, database, searched):
    study_id, held = searched
    found = get(client, f"{study_id}/search")
    assert found["metric"]["name"] == "accuracy"
    assert (found["points"], found["seeds"], found["epochs"]) == (5, 2, 4)
    adamw, lpwd = found["optimizers"]
    assert adamw["best"]["number"] == 1
    assert adamw["best"] == get(client, f"{study_id}/points", optimizer="adamw")["items"][1]
    assert [step["points"] for step in adamw["trace"]] == [1, 2, 4]
    assert adamw["importance"] == {
        "points": 3,
        "shares": {"learning_rate": 0.6, "beta1": 0.2},
        "reason": None,
    }
    assert (adamw["done"], adamw["pruned"]) == (3, 1)
    assert (lpwd["diverged"], lpwd["failed"], lpwd["running"]) == (1, 1, 1)
    assert lpwd["best"] is None
    assert "not enough points: 1 of 10" in lpwd["importance"]["reason"]
    assert [one["name"] for one in adamw["space"]] == ["learning_rate", "weight_decay", "beta1"]
    with database.write() as session:
        finish(session, held)
    again = get(client, f"{study_id}/search")
    assert again["optimizers"][1]["running"] == 0


def test_what_has_not_changed_is_not_sent_again(client, database, searched):
    study_id, held = searched
    addresses = [f"{STUDIES}/{study_id}/{path}" for path in ("points", "points/adamw/0", "search")]
    addresses.append(f"{STUDIES}/{study_id}/points?limit=2")
    tags = {address: client.get(address).headers["etag"] for address in addresses}
    assert len(set(tags.values())) == 4
    for address, etag in tags.items():
        same = client.get(address, headers={"If-None-Match": etag})
        assert (same.status_code, same.content) == (304, b"")
    # The process of the search is gone, and with it the point that it was at.
    with database.write() as session:
        forget_running(session, held)
    for address, etag in tags.items():
        assert client.get(address, headers={"If-None-Match": etag}).status_code == 200
    assert len(get(client, f"{study_id}/points")["items"]) == 6


@pytest.fixture
def stored(client, searched, tmp_path):
    """Fetch the storage file; returns its URL."""
    answer = client.get(f"{STUDIES}/{searched[0]}/optuna.db")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.sqlite3"
    assert f"study-{searched[0]}.optuna.db" in answer.headers["content-disposition"]
    etag = {"If-None-Match": answer.headers["etag"]}
    assert client.get(f"{STUDIES}/{searched[0]}/optuna.db", headers=etag).status_code == 304
    file = tmp_path / "optuna.db"
    file.write_bytes(answer.content)
    return f"sqlite:///{file}"


def test_the_storage_file_holds_one_study_an_optimizer(stored, searched):
    assert set(optuna.get_all_study_names(stored)) == {"adam-lpwd", "adamw"}
    adamw = optuna.load_study(study_name="adamw", storage=stored)
    assert adamw.direction.name == "MAXIMIZE"
    assert adamw.best_value == pytest.approx(0.9)
    assert adamw.best_params == {"learning_rate": 0.02, "decays": False, "beta1": 0.9}
    assert adamw.user_attrs["task"] == "digits-mlp"
    assert adamw.user_attrs["study"] == searched[0]
    states = [trial.state for trial in adamw.trials]
    assert states == [TrialState.COMPLETE] * 3 + [TrialState.PRUNED]
    first = adamw.trials[0]
    assert first.intermediate_values == pytest.approx({1: 0.2, 2: 0.3, 3: 0.4, 4: 0.7})
    assert first.distributions["learning_rate"].log
    assert first.user_attrs["seed_scores"] == pytest.approx([0.7, 0.7])
    assert first.user_attrs["weight_decay"] == 0.1
    assert first.datetime_complete >= first.datetime_start
    lpwd = optuna.load_study(study_name="adam-lpwd", storage=stored)
    assert [trial.state for trial in lpwd.trials] == [TrialState.COMPLETE, TrialState.FAIL]
    assert lpwd.trials[0].value == pytest.approx(0.1)
    assert lpwd.trials[0].user_attrs["diverged_seeds"] == 2
    assert lpwd.trials[1].user_attrs["reason"] == "broken"


@pytest.mark.parametrize("path", ["points", "points/adamw/0", "search", "optuna.db"])
def test_a_grid_has_no_points_and_says_where_its_results_are(client, sent, path):
    study_id = sent()
    body = refused(client.get(f"{STUDIES}/{study_id}/{path}"))
    assert body["status"] == 409
    assert f"{STUDIES}/{study_id}/heatmap.json" in body["detail"]
    assert refused(client.get(f"{STUDIES}/nobody/{path}"))["status"] == 404
