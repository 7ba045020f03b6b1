"""Schedules whose last study came out worse than the one before."""

import pytest

from service.db.tables.schedules import FiringRow
from service.db.tables.studies import CurveRow, StudyRow, StudyTrialRow, TrialRow
from service.db.tables.webhooks import DeliveryRow
from service.heatmaps.queries import ResultsCache
from service.schedules.regression import look
from tests.service import work

SCHEDULES = "/api/v1/schedules"
SMALL = {"learning_rates": [0.01]}


@pytest.fixture
def fire(client, database, study):
    """Have one schedule send its study and train it with made-up scores; returns the study."""
    client.post("/api/v1/webhooks", json={"url": "https://example.org/", "events": ["regression"]})
    made = {}

    def firing(score, *, seeds=8, **changes):
        body = {"name": "n", "cron": "0 0 1 1 *", "study": study(seeds=seeds, **SMALL)}
        if not made:
            made["id"] = client.post(SCHEDULES, json=body).json()["id"]
        if changes:
            body = {"study": study(seeds=seeds, **SMALL | changes)}
            assert client.patch(f"{SCHEDULES}/{made['id']}", json=body).is_success
        study_id = client.post(f"{SCHEDULES}/{made['id']}/run").json()["study_id"]
        work.train(database, study_id, score)
        return study_id

    return firing


def age(database, study_id):
    """Let a study be of an older engine, so that its trials are others than today's."""
    with database.write() as session:
        links = session.query(StudyTrialRow).filter_by(study_id=study_id).all()
        for link in links:
            old, key = link.trial_key, f"{study_id[:6]}{link.trial_key[6:]}"
            trial = session.get(TrialRow, old)
            columns = {column.key: getattr(trial, column.key) for column in TrialRow.__table__.c}
            session.add(TrialRow(**columns | {"key": key, "engine_version": 1}))
            session.flush()
            link.trial_key = key
            session.flush()
            session.query(CurveRow).filter_by(trial_key=old).delete()
            session.delete(trial)


def good(trial):
    return 0.9 + trial.seed / 1000


def worse(trial):
    """By about a point, not the same for every seed; of one optimizer."""
    lost = 0.01 + trial.seed / 5000 if trial.optimizer == "adam-lpwd" else 0.0
    return good(trial) - lost


def told(database):
    return [row.body["data"] for row in work.rows(database, DeliveryRow)]


def test_an_optimizer_that_came_out_worse_is_told(fire, database, client):
    first = fire(good)
    assert look(database, ResultsCache()) == 1
    age(database, first)
    second = fire(worse)
    assert look(database, ResultsCache()) == 1
    assert look(database, ResultsCache()) == 0
    (data,) = told(database)
    assert (data["before"]["id"], data["study"]["id"]) == (first, second)
    (one,) = data["optimizers"]
    assert one["optimizer"] == "adam-lpwd"
    assert -0.012 < one["difference"] < -0.009
    assert one["low"] <= one["high"] < 0
    assert one["p_adjusted"] < 0.05
    assert all(row.compared_at for row in work.rows(database, FiringRow))
    (schedule,) = client.get(SCHEDULES).json()
    later, earlier = client.get(f"{SCHEDULES}/{schedule['id']}/firings").json()
    assert earlier["regression"] is None
    assert later["regression"] == {"before_id": first, "optimizers": data["optimizers"]}
    address = f"{SCHEDULES}/{schedule['id']}/trend"
    was, now = client.get(address).json()
    assert (was["study_id"], was["worse_than"]) == (first, None)
    assert (now["study_id"], now["worse_than"]) == (second, first)
    assert [score["regression"] for score in was["optimizers"]] == [None, None]
    assert [score["regression"] for score in now["optimizers"]] == [None, one]
    assert "Came out worse" in client.get(f"/studies/{second}").text
    assert "Came out worse" not in client.get(f"/studies/{first}").text
    assert f'in <a href="/studies/{second}">' in client.get("/schedules").text
    assert f"/studies/{first}" in client.get(f"/studies/{second}").text
    client.delete(f"/api/v1/studies/{first}")
    assert first not in client.get(f"/studies/{second}").text
    assert "which was deleted since" in client.get(f"/studies/{second}").text
    client.delete(f"/api/v1/studies/{second}")
    assert '<span class="muted">never</span>' in client.get("/schedules").text


def test_what_came_out_better_or_alike_is_not_told(fire, database):
    age(database, fire(worse))
    age(database, fire(good))
    fire(good)
    assert look(database, ResultsCache()) == 3
    assert told(database) == []


@pytest.mark.parametrize("seeds", [5, 6])
def test_few_seeds_say_nothing(fire, database, seeds):
    """Of one optimizer six would do; of two, p is doubled."""
    age(database, fire(good, seeds=seeds))
    fire(worse, seeds=seeds)
    assert look(database, ResultsCache()) == 2
    assert told(database) == []


def test_another_question_is_not_compared(fire, database):
    age(database, fire(good))
    fire(worse, learning_rates=[0.02])
    assert look(database, ResultsCache()) == 2
    assert told(database) == []


def test_what_is_not_done_is_not_compared(fire, database, client):
    age(database, fire(good))
    study_id = fire(worse)
    with database.write() as session:
        study = session.get(StudyRow, study_id)
        study.state, study.error = "failed", "no"
    assert look(database, ResultsCache()) == 2
    assert told(database) == []


def test_the_last_that_was_trained_in_full_counts(fire, database):
    age(database, fire(good))
    middle = fire(worse)
    with database.write() as session:
        session.get(StudyRow, middle).state = "cancelled"
    age(database, middle)
    fire(worse)
    look(database, ResultsCache())
    assert len(told(database)) == 1
