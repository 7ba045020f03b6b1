"""Clone and delete, one after the other and at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from service.db.tables.studies import StudyRow, TrialRow
from service.errors import LeaseLostError
from tests.service import work


class TestClone:
    def test_as_it_is_under_another_name(self, api, database, study):
        study_id = api.send(
            study(name="Mine", tags=["a"], note="n", priority=3, limits={"training_seconds": 9})
        )
        work.train(database, study_id)
        body = api("POST", f"/{study_id}/clone")
        clone, origin = body["study"], api.read(study_id)
        assert clone["id"] != study_id
        assert (clone["name"], clone["state"]) == ("Mine (copy)", "done")
        same = ("task", "optimizers", "seeds", "budget", "tags", "note", "priority", "limits")
        assert {name: clone[name] for name in same} == {name: origin[name] for name in same}

    def test_with_changes(self, api, study):
        study_id = api.send(study(note="n"))
        changes = {"name": "Longer", "budget": {"epochs": 9}, "seeds": 3, "note": None}
        body = api("POST", f"/{study_id}/clone", json=changes)
        assert body["trials"] == 24
        assert (body["study"]["name"], body["study"]["epochs"]) == ("Longer", 9)
        assert body["study"]["budget"]["batch_size"] == 64
        assert body["study"]["note"] == ""

    def test_of_a_search(self, api, search):
        sent = search(
            optimizers=[
                "adamw",
                {"name": "adamw", "label": "b", "hyperparameters": {"beta1": 0.5}},
            ],
            space={
                "learning_rate": [0.1, 0.01],
                "weight_decay": {"low": 0.001, "high": 1, "zero": True},
                "optimizers": {"adamw": {"beta1": {"low": 0.8, "high": 0.95}}},
            },
            asha=False,
            sampler_seed=4,
        )
        first = api("POST", "", json=sent)
        clone = api("POST", f"/{first['study']['id']}/clone", json={"name": first["spec"]["name"]})
        assert clone["spec"] == first["spec"]
        other = {"space": {"optimizers": {"b": {"learning_rate": [0.5, 0.6]}}}, "asha": {}}
        changed = api("POST", f"/{first['study']['id']}/clone", json=other)["spec"]
        assert changed["halving"] is not None
        assert changed["optimizers"][1]["space"][0]["choices"] == [0.5, 0.6]
        assert changed["optimizers"][0] == first["spec"]["optimizers"][0]

    def test_a_dry_run_writes_nothing(self, api, database, study):
        study_id = api.send(study())
        plan = api("POST", f"/{study_id}/clone", json={"seeds": 1}, params={"dry_run": True})
        assert plan["trials"] == 8
        assert len(work.rows(database, StudyRow)) == 1

    def test_sent_twice_it_is_one(self, api, study):
        study_id = api.send(study())
        headers = {"Idempotency-Key": "c"}
        ids = {
            api("POST", f"/{study_id}/clone", json={}, headers=headers)["study"]["id"]
            for _ in range(2)
        }
        assert len(ids) == 1

    def test_a_long_name_stays_within_its_length(self, api, study):
        study_id = api.send(study(name="x" * 200))
        name = api("POST", f"/{study_id}/clone")["study"]["name"]
        assert (len(name), name[-7:]) == (200, " (copy)")

    @pytest.mark.parametrize(
        ("field", "changes"),
        [
            ("task", {"task": None}),
            ("task", {"task": "gone"}),
            ("seeds", {"seeds": 0}),
            ("typo", {"typo": 1}),
            ("budget.epochs", {"budget": {"epochs": 0}}),
            ("learning_rates", {"mode": "search"}),
            ("mode", {"mode": {"a": {"b": None}}}),
        ],
    )
    def test_changes_that_make_no_study_are_refused(self, api, study, field, changes):
        study_id = api.send(study())
        problem = api.refused("POST", f"/{study_id}/clone", 422, json=changes)
        assert field in [error["field"] for error in problem["errors"]]
        api.refused("POST", "/none/clone", 404, json={})


class TestDelete:
    def test_with_cancel_what_is_under_way_goes_too(self, api, database, study):
        study_id = api.send(study())
        held = work.lease(database)
        keys = work.to_do(database, study_id)
        work.take(database, held, keys[:4])
        work.record(database, held, results=[work.result(keys[0])])
        assert "?cancel=true" in api.refused("DELETE", f"/{study_id}", 409)["detail"]
        api("DELETE", f"/{study_id}", params={"cancel": True})
        assert [row.key for row in work.rows(database, TrialRow)] == [keys[0]]
        with pytest.raises(LeaseLostError), database.write() as session:
            held.renew(session)

    def test_its_request_brings_it_back(self, api, database, study):
        study_id = api.send(study(tags=["a"], note="n"))
        work.train(database, study_id)
        request = api("GET", f"/{study_id}/request")
        api("DELETE", f"/{study_id}")
        api.refused("GET", f"/{study_id}/request", 404)
        body = api("POST", "", json=request)
        assert (body["missing"], body["study"]["state"]) == (0, "done")
        assert (body["study"]["tags"], body["study"]["note"]) == (["a"], "n")

    def test_many_at_once_that_delete_retry_change_and_extend(self, api, database, study):
        study_id = api.send(study())
        calls = [
            ("DELETE", "", {"params": {"cancel": True}}),
            ("POST", "/retry", {}),
            ("PATCH", "", {"json": {"note": "x"}}),
            ("POST", "/extend", {"json": {"seeds": 3}}),
            ("POST", "/cancel", {}),
            ("PUT", "/tags/a", {}),
            ("POST", "/clone", {"json": {}}),
        ]

        def call(n):
            method, path, options = calls[n % len(calls)]
            return api.client.request(
                method, f"/api/v1/studies/{study_id}{path}", **options
            ).status_code

        with ThreadPoolExecutor(7) as pool:
            assert set(pool.map(call, range(21))) <= {200, 201, 204, 404, 409}
        api.refused("GET", f"/{study_id}", 404)
