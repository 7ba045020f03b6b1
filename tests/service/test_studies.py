"""Studies over REST, on both databases."""

import pytest

from service.db.tables.studies import CurveRow, IdempotencyRow, StudyRow, StudyTrialRow, TrialRow
from service.queue.results import give_up
from service.trials.model import TrialState
from tests.service import work

STUDIES = "/api/v1/studies"


def create(client, request, **options):
    answer = client.post(STUDIES, json=request, **options)
    assert answer.is_success, answer.text
    return answer


def test_a_study_is_created_with_its_trials(client, database, study):
    answer = create(client, study())
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{STUDIES}/{body['study']['id']}"
    assert client.get(answer.headers["location"]).json() == body["study"]
    assert (body["trials"], body["known"], body["missing"]) == (16, 0, 16)
    assert body["estimated_worker_seconds"] is None
    assert body["study"] | {"id": 0, "created_at": 0} == {
        "id": 0,
        "mode": "grid",
        "name": "Digits, MLP: adamw, adam-lpwd",
        "task": "digits-mlp",
        "optimizers": ["adamw", "adam-lpwd"],
        "learning_rates": [0.001, 0.01],
        "weight_decays": [0.0, 0.1],
        "seeds": [0, 1],
        "epochs": 2,
        "state": "queued",
        "error": None,
        "created_at": 0,
        "started_at": None,
        "finished_at": None,
        "trials": 16,
        "finished": 0,
        "diverged": 0,
        "failed": 0,
        "running": 0,
        "reused": 0,
        "progress": 0.0,
        "eta_seconds": None,
        "device": None,
        "budget": {
            "epochs": 2,
            "batch_size": 64,
            "schedule": "constant",
            "numerics": {
                "precision": "float32",
                "amp": False,
                "channels_last": False,
                "compile": False,
                "cuda_graphs": False,
            },
        },
        "hyperparameters": {"adamw": {}, "adam-lpwd": {}},
        "search": None,
        "owner": None,
        "tags": [],
        "note": "",
        "priority": 0,
        "limits": {"running_seconds": None, "training_seconds": None},
        "used": {"running_seconds": 0.0, "training_seconds": 0.0},
        "last_loss": None,
        "activity": None,
        "imported_at": None,
        "origin": None,
    }
    assert len(work.rows(database, TrialRow)) == len(work.rows(database, StudyTrialRow)) == 16


def test_a_dry_run_says_the_cost_and_writes_nothing(client, database, study):
    answer = create(client, study(), params={"dry_run": True}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 200
    assert answer.json()["trials"] == answer.json()["missing"] == 16
    assert "study" not in answer.json()
    for table in (StudyRow, TrialRow, IdempotencyRow):
        assert work.rows(database, table) == []


def test_a_dry_run_knows_what_is_known_and_how_long_the_rest_takes(client, database, study):
    work.train(database, work.send(database, study()))  # 0.5 s for 2 epochs each
    plan = create(client, study(seeds=3), params={"dry_run": True}).json()
    assert (plan["trials"], plan["known"], plan["missing"]) == (24, 16, 8)
    assert plan["estimated_worker_seconds"] == pytest.approx(8 * 0.5)
    longer = study(budget={"epochs": 10})
    plan = create(client, longer, params={"dry_run": True}).json()
    assert plan["estimated_worker_seconds"] == pytest.approx(16 * 10 * 0.25)
    assert create(client, study(), params={"dry_run": True}).json()["estimated_worker_seconds"] == 0


def test_trials_of_one_epoch_do_not_tell_how_long_more_take(client, database, study):
    work.train(database, work.send(database, study(budget={"epochs": 1})))

    def estimate(epochs):
        body = study(seeds=3, budget={"epochs": epochs})
        return create(client, body, params={"dry_run": True}).json()["estimated_worker_seconds"]

    assert estimate(20) is None
    assert estimate(1) == pytest.approx(8 * 0.5)


def test_what_is_left_out_is_filled_in_and_what_is_disordered_is_ordered(client):
    plan = create(
        client,
        {
            "task": "digits-mlp",
            "optimizers": ["adamw"],
            "learning_rates": [1, 0.1],
            "weight_decays": [1, 0, 0.5],
            "seeds": [7, 3],
        },
        params={"dry_run": True},
    ).json()["spec"]
    assert plan == {
        "name": "Digits, MLP: adamw",
        "task": "digits-mlp",
        "task_version": 1,
        "variants": [
            {
                "label": "adamw",
                "name": "adamw",
                "version": 1,
                "hyperparameters": {
                    "beta1": 0.9,
                    "beta2": 0.999,
                    "eps": 1e-8,
                    "amsgrad": False,
                    "coupled": True,
                },
            }
        ],
        "learning_rates": [0.1, 1.0],
        "weight_decays": [0.0, 0.5, 1.0],
        "seeds": [3, 7],
        "budget": {
            "epochs": 20,
            "batch_size": 64,
            "schedule": "constant",
            "numerics": {
                "precision": "float32",
                "amp": False,
                "channels_last": False,
                "compile": False,
                "cuda_graphs": False,
            },
        },
    }


def test_seeds_are_a_number_or_a_list_and_three_by_default(client, study):
    def seeds(**changes):
        request = study(**changes)
        if changes.get("seeds", 0) is None:
            del request["seeds"]
        return create(client, request, params={"dry_run": True}).json()["spec"]["seeds"]

    assert seeds(seeds=1) == [0]
    assert seeds(seeds=4) == [0, 1, 2, 3]
    assert seeds(seeds=[9]) == [9]
    assert seeds(seeds=None) == [0, 1, 2]


def test_one_optimizer_with_two_settings_under_labels(client, study):
    choices = [
        "adamw",
        {"name": "adamw", "hyperparameters": {"beta1": 0.5}, "label": "adamw-slow"},
        {"name": "adamw", "hyperparameters": {"beta1": 0}, "label": "adamw.none"},
    ]
    body = create(client, study(optimizers=choices)).json()
    assert body["study"]["optimizers"] == ["adamw", "adamw-slow", "adamw.none"]
    assert body["trials"] == 24
    betas = [variant["hyperparameters"]["beta1"] for variant in body["spec"]["variants"]]
    assert betas == [0.9, 0.5, 0.0]


@pytest.mark.parametrize(
    "same",
    [
        {"learning_rates": [0.01, 0.001]},
        {"weight_decays": [0.1, -0.0]},
        {"weight_decays": [0, 0.1]},
        {"seeds": [1, 0]},
        {"name": "another name"},
        {"optimizers": ["adam-lpwd", "adamw"]},
        {"optimizers": [{"name": "adamw", "label": "w"}, {"name": "adam-lpwd", "label": "l"}]},
        {"optimizers": [{"name": "adamw", "hyperparameters": {"beta1": 0.9}}, "adam-lpwd"]},
    ],
)
def test_the_same_trials_in_other_words_are_done_at_once(client, database, study, same):
    first = create(client, study()).json()["study"]["id"]
    work.train(database, first)
    body = create(client, study(**same)).json()
    assert (body["known"], body["missing"]) == (16, 0)
    again = body["study"]
    assert again["id"] != first
    assert (again["state"], again["progress"], again["reused"]) == ("done", 1.0, 16)
    assert again["started_at"] == again["finished_at"] == again["created_at"]
    assert work.to_do(database, again["id"]) == []
    assert work.claim(database, seconds=9, device="x") is None


@pytest.mark.parametrize(
    ("wider", "new"),
    [
        ({"seeds": 4}, 16),
        ({"weight_decays": [0.0, 0.1, 1.0]}, 8),
        ({"learning_rates": [0.0001, 0.001, 0.01]}, 8),
        ({"optimizers": ["adamw", "adam-lpwd", "adam-l2"]}, 8),
        ({"budget": {"epochs": 3, "batch_size": 64}}, 16),
    ],
)
def test_a_wider_study_trains_only_what_is_new(client, database, study, wider, new):
    first = create(client, study()).json()["study"]["id"]
    work.train(database, first)
    before = {row.key: row for row in work.rows(database, TrialRow)}
    body = create(client, study(**wider)).json()
    assert body["missing"] == new == len(work.to_do(database, body["study"]["id"]))
    assert not set(work.to_do(database, body["study"]["id"])) & set(before)
    assert len(work.rows(database, TrialRow)) == 16 + new


def test_listing_goes_newest_first_through_every_page_once(client, study):
    ids = [create(client, study(seeds=[n])).json()["study"]["id"] for n in range(7)]
    seen, cursor = [], None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = client.get(STUDIES, params=params).json()
        assert len(page["items"]) <= 3
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]
    assert client.get(STUDIES, params={"limit": 7}).json()["next_cursor"] is None


def test_a_study_sent_while_paging_shifts_nothing(client, study):
    ids = [create(client, study(seeds=[n])).json()["study"]["id"] for n in range(4)]
    page = client.get(STUDIES, params={"limit": 2}).json()
    create(client, study(seeds=[9]))
    rest = client.get(STUDIES, params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert [item["id"] for item in rest["items"]] == [ids[1], ids[0]]


def test_listing_by_state(client, database, study):
    done = create(client, study()).json()["study"]["id"]
    work.train(database, done)
    queued = create(client, study(seeds=[5])).json()["study"]["id"]

    def listed(state):
        return [item["id"] for item in client.get(STUDIES, params={"state": state}).json()["items"]]

    assert listed("done") == [done]
    assert listed("queued") == [queued]
    assert listed("running") == []


@pytest.mark.parametrize("running", [False, True])
def test_cancelling_keeps_results_and_is_repeatable(client, database, study, running):
    study_id = create(client, study()).json()["study"]["id"]
    if running:
        held = work.lease(database)
        keys = work.to_do(database, study_id)[:4]
        work.take(database, held, keys)
        work.record(database, held, results=[work.result(keys[0])])
    answers = [client.post(f"{STUDIES}/{study_id}/cancel") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    body = answers[0].json()
    assert (body["state"], body["running"], body["finished"]) == ("cancelled", 0, int(running))
    assert body["finished_at"] is not None
    assert len(work.to_do(database, study_id)) == 16 - running


def test_what_has_ended_cannot_be_cancelled(client, database, study):
    study_id = create(client, study()).json()["study"]["id"]
    work.train(database, study_id)
    answer = client.post(f"{STUDIES}/{study_id}/cancel")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:lpwd:problem:conflict"
    assert client.get(f"{STUDIES}/{study_id}").json()["state"] == "done"


def test_only_what_has_ended_can_be_deleted(client, database, study):
    study_id = create(client, study()).json()["study"]["id"]
    assert client.delete(f"{STUDIES}/{study_id}").status_code == 409
    held = work.lease(database)
    assert client.delete(f"{STUDIES}/{study_id}").status_code == 409
    assert client.get(f"{STUDIES}/{study_id}").json()["state"] == "running"
    with database.write() as session:
        held.give_back(session)


def test_deleting_keeps_results_for_reuse(client, database, study):
    study_id = create(client, study()).json()["study"]["id"]
    work.train(database, study_id)
    answer = client.delete(f"{STUDIES}/{study_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(f"{STUDIES}/{study_id}").status_code == 404
    assert client.delete(f"{STUDIES}/{study_id}").status_code == 404
    assert len(work.rows(database, TrialRow)) == len(work.rows(database, CurveRow)) == 16
    assert create(client, study()).json()["study"]["state"] == "done"


def test_deleting_takes_along_untrained_trials_that_nobody_wants(client, database, study):
    mine = create(client, study(seeds=[0, 1])).json()["study"]["id"]
    other = create(client, study(seeds=[1, 2])).json()["study"]["id"]
    client.post(f"{STUDIES}/{mine}/cancel")
    assert client.delete(f"{STUDIES}/{mine}").status_code == 204
    left = {row.key for row in work.rows(database, TrialRow)}
    assert left == set(work.to_do(database, other))
    assert len(left) == 16
    assert len(work.rows(database, StudyTrialRow)) == 16


def test_failed_trials_are_tried_again_for_whoever_asks_anew(client, database, study):
    study_id = create(client, study()).json()["study"]["id"]
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys)
    give_up(database, held, {keys[3]: "out of memory", keys[1]: "no such file"})
    work.record(
        database, held, results=[work.result(k) for k in keys if k not in (keys[1], keys[3])]
    )
    with database.write() as session:
        assert held.finish(session) == "failed"
    body = client.get(f"{STUDIES}/{study_id}").json()
    assert (body["state"], body["failed"], body["finished"]) == ("failed", 2, 14)
    assert body["error"] == "2 trials could not be trained; the first: no such file"
    again = create(client, study()).json()
    assert (again["known"], again["missing"]) == (14, 2)
    assert again["study"]["state"] == "queued"
    assert work.to_do(database, again["study"]["id"]) == [keys[1], keys[3]]
    retried = [row for row in work.rows(database, TrialRow) if row.key in (keys[1], keys[3])]
    assert {(row.state, row.reason, row.attempts) for row in retried} == {
        (TrialState.PENDING, None, 0)
    }
    work.train(database, again["study"]["id"])
    assert client.get(f"{STUDIES}/{again['study']['id']}").json()["state"] == "done"


def test_a_hundred_thousand_trials_and_no_more(client, database, study):
    rates = [n / 1000 for n in range(1, 51)]
    request = study(optimizers=["adamw"], learning_rates=rates, weight_decays=rates, seeds=41)
    answer = client.post(STUDIES, json=request)
    assert answer.status_code == 422
    assert "102,500 trials" in answer.json()["detail"]
    assert work.rows(database, StudyRow) == []


def test_a_study_says_how_its_trials_train(client, study):
    chosen = {"name": "adam-lpwd", "hyperparameters": {"beta2": 0.99, "beta1": 0.9}}
    sent = study(
        optimizers=["adamw", chosen],
        budget={"epochs": 1, "batch_size": 32, "schedule": "cosine"},
        numerics={"amp": True},
    )
    found = create(client, sent).json()["study"]
    assert found["hyperparameters"] == {"adamw": {}, "adam-lpwd": {"beta2": 0.99}}
    assert (found["budget"]["batch_size"], found["budget"]["schedule"]) == (32, "cosine")
    assert found["budget"]["numerics"]["amp"] is True
    page = client.get(f"/studies/{found['id']}").text
    for shown in ("batches of 32", "learning rate cosine", "float32, amp", "beta2 0.99"):
        assert shown in page


def test_numerics_in_the_budget_are_sent_up(client, study):
    answer = client.post(STUDIES, json=study(budget={"epochs": 1, "numerics": {"amp": True}}))
    assert answer.status_code == 422
    assert "beside the budget" in answer.json()["detail"]
