"""What became of all that a schedule sent."""

import pytest

from service.db.tables.studies import StudyRow
from tests.service import work
from tests.service.search import points

SCHEDULES = "/api/v1/schedules"
SEARCH = {
    "mode": "search",
    "task": "digits-mlp",
    "optimizers": ["adamw"],
    "seeds": 2,
    "budget": {"epochs": 4, "points": 1},
}


@pytest.fixture
def schedule(client):
    """Make a schedule that sends a study; returns its address."""

    def make(study):
        body = {"name": "n", "cron": "0 0 1 1 *", "study": study}
        return f"{SCHEDULES}/{client.post(SCHEDULES, json=body).json()['id']}"

    return make


def test_the_trend_has_all_studies_that_are_done_oldest_first(client, database, study, schedule):
    address = schedule(study(seeds=3))
    assert client.get(f"{address}/trend").json() == []
    first = client.post(f"{address}/run").json()["study_id"]
    work.train(database, first, lambda trial: 0.9 + trial.seed / 100 - trial.weight_decay)
    client.patch(address, json={"study": study(seeds=1, optimizers=["sgdw"])})
    second = client.post(f"{address}/run").json()["study_id"]
    work.train(database, second)
    client.patch(address, json={"study": study(seeds=[9])})
    client.post(f"{address}/run")  # and is queued
    earlier, later = client.get(f"{address}/trend").json()
    assert (earlier["study_id"], later["study_id"]) == (first, second)
    assert earlier["firing_id"] == client.get(f"{address}/firings").json()[-1]["id"]
    said = {name: earlier[name] for name in ("task", "metric", "maximize", "percent", "reason")}
    assert said == {
        "task": "digits-mlp",
        "metric": "accuracy",
        "maximize": True,
        "percent": True,
        "reason": None,
    }
    rows = client.get(f"/api/v1/studies/{first}/robustness").json()
    assert earlier["optimizers"] == [
        {
            "optimizer": row["optimizer"],
            "title": row["title"],
            "best": row["best"],
            "low": row["best_low"],
            "high": row["best_high"],
            "regression": None,
        }
        for row in rows
    ]
    assert [one["optimizer"] for one in later["optimizers"]] == ["sgdw"]
    assert client.get(f"{address}/trend?limit=1").json() == [later]
    page = client.get("/schedules").text
    assert "Best scores of the last 2 studies. " in page
    assert page.count('stroke-linejoin="round"') == 3
    (validated, _) = client.get(f"{address}/trend?split=validation").json()
    assert validated["optimizers"][0]["best"] == pytest.approx(0.91)
    with database.write() as session:
        row = session.get(StudyRow, first)
        row.spec = row.spec | {"task": "gone"}
    lost, same = client.get(f"{address}/trend").json()
    assert "'gone'" in lost["reason"]
    assert (lost["metric"], lost["optimizers"]) == (None, [])
    assert same == later
    assert client.get(f"{SCHEDULES}/none/trend").status_code == 404


def test_of_a_search_the_best_point_counts(client, database, schedule):
    address = schedule(SEARCH)
    study_id = client.post(f"{address}/run").json()["study_id"]
    held = work.lease(database)
    points.try_point(database, held, "adamw", 0)
    with database.write() as session:
        held.end(session, "done")
    for split, best in (("test", 0.79), ("validation", 0.8)):
        (sent,) = client.get(f"{address}/trend?split={split}").json()
        (one,) = sent["optimizers"]
        assert sent["study_id"] == study_id
        assert one["best"] == pytest.approx(best)
        assert (one["optimizer"], one["low"], one["regression"]) == ("adamw", None, None)
