"""Name, tags, note, priority and limits: at creation, later, and by two people at once."""

from concurrent.futures import ThreadPoolExecutor

from service.db.tables.studies import TagRow
from tests.service import work

SAID = {
    "tags": ["paper", "night"],
    "note": "Figure 3\nsecond try",
    "priority": 7,
    "limits": {"running_seconds": 60.0},
}


def test_what_is_said_at_creation_is_kept(api, study):
    found = api.read(api.send(study(**SAID)))
    assert found["tags"] == ["night", "paper"]
    assert (found["note"], found["priority"]) == (SAID["note"], 7)
    assert found["limits"] == {"running_seconds": 60.0, "training_seconds": None}
    assert found["used"] == {"running_seconds": 0.0, "training_seconds": 0.0}


def test_it_is_no_part_of_a_trial(api, database, study):
    work.train(database, api.send(study()))
    again = api("POST", "", json=study(**SAID))
    assert (again["missing"], again["study"]["state"]) == (0, "done")
    assert not SAID.keys() & again["spec"].keys()


def test_an_idempotency_key_tells_it_apart(client, api, study):
    headers = {"Idempotency-Key": "k"}
    first = api("POST", "", json=study(**SAID), headers=headers)
    second = api("POST", "", json=study(**SAID), headers=headers)
    assert first["study"]["id"] == second["study"]["id"]
    for other in ({"tags": []}, {"note": ""}, {"priority": 0}, {"limits": {}}):
        api.refused("POST", "", 422, json=study(**(SAID | other)), headers=headers)


def test_changing_each_leaves_the_others(api, study):
    study_id = api.send(study(**SAID))
    before = api.read(study_id)
    for change in (
        {"name": "another"},
        {"tags": ["z"]},
        {"tags": []},
        {"note": ""},
        {"priority": -100},
        {"limits": {"running_seconds": None, "training_seconds": 5.5}},
        {},
    ):
        after = api("PATCH", f"/{study_id}", json=change)
        assert after == before | change
        assert api.read(study_id) == after
        before = after


def test_a_name_is_the_same_everywhere(api, study):
    study_id = api.send(study())
    api("PATCH", f"/{study_id}", json={"name": "renamed"})
    assert api("GET", f"/{study_id}/request")["name"] == "renamed"
    assert "renamed" in api.client.get(f"/studies/{study_id}").text


def test_tags_one_by_one(api, database, study):
    study_id = api.send(study(tags=["a"]))
    assert api("PUT", f"/{study_id}/tags/b")["tags"] == ["a", "b"]
    assert api("PUT", f"/{study_id}/tags/b")["tags"] == ["a", "b"]
    assert api("DELETE", f"/{study_id}/tags/a")["tags"] == ["b"]
    assert api("DELETE", f"/{study_id}/tags/a")["tags"] == ["b"]
    api("PATCH", f"/{study_id}", json={"tags": [f"t{n}" for n in range(50)]})
    api("PUT", f"/{study_id}/tags/t0")
    assert "50 tags" in api.refused("PUT", f"/{study_id}/tags/b", 409)["detail"]
    assert len(api.read(study_id)["tags"]) == 50
    api.refused("PUT", f"/{study_id}/tags/UPPER", 422)
    api.refused("PUT", "/none/tags/a", 404)
    api.refused("DELETE", "/none/tags/a", 404)
    api("DELETE", f"/{study_id}", params={"cancel": True})
    assert work.rows(database, TagRow) == []


def test_an_etag_is_of_what_can_be_changed(api, database, study):
    study_id = api.send(study())

    def etag():
        return api.client.get(f"/api/v1/studies/{study_id}").headers["etag"]

    first = etag()
    work.train(database, study_id)
    assert etag() == first
    answer = api.client.patch(f"/api/v1/studies/{study_id}", json={"note": "x"})
    assert answer.headers["etag"] == etag() != first


def test_if_match_keeps_two_people_from_overwriting_each_other(api, study):
    study_id = api.send(study())
    path = f"/{study_id}"
    etag = api.client.get(f"/api/v1/studies/{study_id}").headers["etag"]
    api("PATCH", path, json={"note": "mine"}, headers={"If-Match": etag})
    problem = api.refused("PATCH", path, 412, json={"note": "theirs"}, headers={"If-Match": etag})
    assert problem["type"] == "urn:lpwd:problem:precondition-failed"
    for stale in ("W/" + etag, '"x"', "nonsense"):
        api.refused("PATCH", path, 412, json={"note": "theirs"}, headers={"If-Match": stale})
    assert api.read(study_id)["note"] == "mine"
    fresh = api.client.get(f"/api/v1/studies/{study_id}").headers["etag"]
    api("PATCH", path, json={"note": "2"}, headers={"If-Match": f'"x", {fresh}'})
    api("PATCH", path, json={"note": "3"}, headers={"If-Match": "*"})
    assert api.read(study_id)["note"] == "3"


def test_of_many_who_saw_the_same_one_changes_it(api, study):
    study_id = api.send(study())
    etag = api.client.get(f"/api/v1/studies/{study_id}").headers["etag"]

    def change(n):
        return api.client.patch(
            f"/api/v1/studies/{study_id}", json={"note": str(n)}, headers={"If-Match": etag}
        ).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(change, range(6))) == [200] + [412] * 5


def test_changes_of_many_at_once_all_count(api, study):
    study_id = api.send(study())

    def change(n):
        if n % 3 == 0:
            return api("PUT", f"/{study_id}/tags/t{n}")
        return api("PATCH", f"/{study_id}", json={"priority": n} if n % 3 == 1 else {"note": "n"})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(change, range(12)))
    found = api.read(study_id)
    assert found["tags"] == ["t0", "t3", "t6", "t9"]
    assert found["note"] == "n"
    assert found["priority"] in (1, 4, 7, 10)


BAD = [
    ("name", {"name": ""}),
    ("name", {"name": "a\0"}),
    ("name", {"name": None, "note": "x"}),
    ("limits", {"limits": None}),
    ("tags.0", {"tags": ["A"]}),
    ("note", {"note": 5}),
    ("priority", {"priority": 101}),
    ("limits.running_seconds", {"limits": {"running_seconds": -1}}),
    ("state", {"state": "done"}),
    ("owner", {"owner": "me"}),
]


def test_a_bad_change_is_refused_by_the_field(api, study):
    study_id = api.send(study())
    before = api.read(study_id)
    for field, change in BAD:
        problem = api.refused("PATCH", f"/{study_id}", 422, json=change)
        assert field in [error["field"] for error in problem["errors"]]
    assert api.read(study_id) == before
    api.refused("PATCH", "/none", 404, json={})


def test_a_schedule_says_it_of_every_study_it_sends(client, api, study):
    made = client.post(
        "/api/v1/schedules", json={"name": "n", "cron": "0 0 * * *", "study": study(**SAID)}
    ).json()
    fired = client.post(f"/api/v1/schedules/{made['id']}/run").json()
    found = api.read(fired["study_id"])
    assert (found["tags"], found["note"], found["priority"]) == (
        ["night", "paper"],
        SAID["note"],
        7,
    )
