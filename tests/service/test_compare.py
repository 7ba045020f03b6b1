"""Studies beside one another, over REST and as a page, on both databases."""

import pytest

from tests.service import work

COMPARE = "/api/v1/compare"


def send(database, sent, ahead=0.0, **changes):
    study_id = sent(**changes)
    work.train(database, study_id, lambda trial: 0.8 + ahead - 0.01 * trial.seed)
    return study_id


@pytest.fixture
def pair(database, sent):
    """Two studies that share their rates, two of three seeds and AdamW; the second trains longer
    and is better."""
    first = send(database, sent, seeds=3, name="First")
    longer = {"epochs": 3, "batch_size": 64}
    second = send(database, sent, 0.05, optimizers=["adamw"], budget=longer, name="<b>Second</b>")
    return first, second


def test_studies_are_compared_where_they_overlap(client, pair):
    body = client.get(COMPARE, params={"study": pair}).json()
    assert [one["id"] for one in body["studies"]] == list(pair)
    assert [len(one["robustness"]) for one in body["studies"]] == [2, 1]
    distinctions = {one["what"]: one for one in body["distinctions"]}
    assert set(distinctions) == {"epochs", "seeds"}
    assert distinctions["epochs"] == {"what": "epochs", "values": ["2", "3"], "matters": True}
    assert not distinctions["seeds"]["matters"]
    (one,) = body["comparison"]["optimizers"]
    assert one["entry"] == "adamw"
    assert {cell["seeds"] for cell in one["cells"]} == {2}
    assert [cell["difference"] for cell in one["cells"]] == [pytest.approx(0.05, abs=1e-6)] * 4
    assert one["measures"][0]["difference"] == pytest.approx(0.05, abs=1e-6)
    back = client.get(COMPARE, params={"study": pair[::-1]}).json()
    assert back["comparison"]["optimizers"][0]["cells"][0]["difference"] < 0


def test_maps_of_other_rates_are_compared_by_cell_alone(client, database, sent):
    first = send(database, sent)
    wider = send(database, sent, 0.1, weight_decays=[0.1, 0.5], seeds=[0, 1])
    body = client.get(COMPARE, params={"study": [first, wider]}).json()
    one = body["comparison"]["optimizers"][0]
    assert {cell["weight_decay"] for cell in one["cells"]} == {0.1}
    assert {cell["difference"] for cell in one["cells"]} == {0.0}  # shared trials are the same
    assert {measure["reason"] for measure in one["measures"]} == {
        "the maps do not have the same rates"
    }
    apart = send(database, sent, learning_rates=[0.5])
    body = client.get(COMPARE, params={"study": [first, apart]}).json()
    assert body["comparison"] is None
    refused = client.get(f"{COMPARE}.png", params={"study": [first, apart]})
    assert refused.status_code == 422
    assert "nothing to draw" in refused.json()["detail"]
    assert "share no optimizer" in client.get("/compare", params={"study": [first, apart]}).text


def test_settings_that_differ_under_one_label_are_told(client, database, sent):
    first = send(database, sent, optimizers=["adamw"])
    other = [{"name": "adamw", "hyperparameters": {"beta2": 0.9}, "label": "adamw"}]
    second = send(database, sent, optimizers=other)
    (told,) = client.get(COMPARE, params={"study": [first, second]}).json()["distinctions"]
    assert told["what"] == "settings of adamw"
    assert "beta2 0.9" in told["values"][1]
    assert told["matters"]


def test_pictures_and_tags(client, pair):
    for form, start in (("svg", b"<svg"), ("png", b"\x89PNG")):
        answer = client.get(f"{COMPARE}.{form}", params={"study": pair})
        assert answer.content.startswith(start)
    first = client.get(COMPARE, params={"study": pair})
    same = client.get(
        COMPARE, params={"study": pair}, headers={"If-None-Match": first.headers["etag"]}
    )
    assert same.status_code == 304


def test_what_cannot_be_compared_is_refused_with_its_reason(client, database, sent, pair):
    other = send(database, sent, task="digits-linear")
    search = {"mode": "search", "task": "digits-mlp", "optimizers": ["adamw"], "seeds": 1}
    searched = client.post("/api/v1/studies", json=search).json()["study"]["id"]
    for studies, status, said in (
        ([pair[0]], 422, "choose from 2 to 10"),
        ([pair[0], pair[0]], 422, "choose from 2 to 10"),
        ([pair[0], other], 422, "is of digits-linear"),
        ([pair[0], searched], 409, "is a search"),
        ([pair[0], "f" * 12], 404, "there is no study"),
        (["x"] * 11, 422, "study"),
    ):
        answer = client.get(COMPARE, params={"study": studies})
        assert answer.status_code == status
        assert said in answer.json()["detail"]
    assert client.get(COMPARE).status_code == 422


def test_the_page_is_reached_from_the_list_without_script(client, pair):
    listed = client.get("/").text
    assert '<form id="compare"' in listed
    for study_id in pair:
        assert f'<input type="checkbox" name="study" value="{study_id}" form="compare"' in listed
    page = client.get("/compare", params={"study": pair})
    assert page.status_code == 200
    assert "These studies differ in epochs" in page.text
    assert "&lt;b&gt;Second&lt;/b&gt;" in page.text
    assert "AdamW (2)" in page.text
    assert f"/api/v1/compare.png?study={pair[0]}&amp;study={pair[1]}" in page.text
    assert client.get("/compare", headers={"Accept": "text/html"}).status_code == 422
