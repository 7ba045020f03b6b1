"""Retry and extend, one after the other and at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from service.db.tables.searches import PointRow
from service.db.tables.studies import StudyRow, StudyTrialRow, TrialRow
from service.errors import LeaseLostError
from service.queue.results import give_up
from service.studies.model import StudyState
from tests.service import work
from tests.service.search import points
from workers.search.contracts import PointState


def fail(database, study_id, count=2):
    """Train a study of which the first trials fail; returns their keys."""
    held = work.lease(database)
    assert held.study_id == study_id
    keys = work.to_do(database, study_id)
    work.take(database, held, keys)
    give_up(database, held, dict.fromkeys(keys[:count], "out of memory"))
    work.record(database, held, results=[work.result(key) for key in keys[count:]])
    with database.write() as session:
        assert held.finish(session) == "failed"
    return keys[:count]


def amend(database, study_id, **values):
    with database.write() as session:
        session.execute(update(StudyRow).where(StudyRow.id == study_id).values(**values))


class TestRetry:
    def test_failed_trials_are_trained_again(self, api, database, study):
        study_id = api.send(study())
        failed = fail(database, study_id)
        amend(database, study_id, losses=3, last_loss="runner x")
        found = api("POST", f"/{study_id}/retry")
        assert (found["state"], found["failed"], found["error"]) == ("queued", 0, None)
        assert (found["finished_at"], found["last_loss"]) == (None, "runner x")
        assert work.to_do(database, study_id) == failed
        assert [row.losses for row in work.rows(database, StudyRow)] == [0]
        rows = [row for row in work.rows(database, TrialRow) if row.key in failed]
        assert {(row.reason, row.attempts) for row in rows} == {(None, 0)}
        assert work.train(database, study_id) == "done"

    def test_a_cancelled_study_goes_on(self, api, database, study):
        study_id = api.send(study())
        api("POST", f"/{study_id}/cancel")
        assert api("POST", f"/{study_id}/retry")["state"] == "queued"
        assert work.train(database, study_id) == "done"

    def test_what_another_study_trained_meanwhile_is_done_at_once(self, api, database, study):
        study_id = api.send(study())
        api("POST", f"/{study_id}/cancel")
        work.train(database, api.send(study()))
        found = api("POST", f"/{study_id}/retry")
        assert (found["state"], found["progress"]) == ("done", 1.0)

    def test_while_others_train_failed_trials_come_back(self, api, database, study):
        study_id = api.send(study())
        held = work.lease(database)
        keys = work.to_do(database, study_id)
        work.take(database, held, keys[:2])
        give_up(database, held, {keys[0]: "out of memory"})
        found = api("POST", f"/{study_id}/retry")
        assert (found["state"], found["failed"]) == ("running", 0)
        assert keys[0] in work.to_do(database, study_id)
        with database.write() as session:
            held.renew(session)  # the runner was not disturbed

    def test_with_nothing_to_try_again_it_is_refused(self, api, database, study):
        study_id = api.send(study())
        assert "nothing to try again" in api.refused("POST", f"/{study_id}/retry", 409)["detail"]
        work.train(database, study_id)
        api.refused("POST", f"/{study_id}/retry", 409)
        api.refused("POST", "/none/retry", 404)

    def test_what_the_code_would_no_longer_train_is_refused(self, api, database, study):
        study_id = api.send(study())
        api("POST", f"/{study_id}/cancel")
        spec = work.rows(database, StudyRow)[0].spec
        amend(database, study_id, spec={**spec, "task_version": 0})
        assert "clone it" in api.refused("POST", f"/{study_id}/retry", 409)["detail"]
        assert api.read(study_id)["state"] == "cancelled"

    def test_a_limit_that_is_used_up_is_raised_first(self, api, database, study):
        study_id = api.send(study(limits={"running_seconds": 10}))
        api("POST", f"/{study_id}/cancel")
        amend(database, study_id, seconds_running=10.0)
        assert "limits.running_seconds" in api.refused("POST", f"/{study_id}/retry", 409)["detail"]
        api("PATCH", f"/{study_id}", json={"limits": {"running_seconds": 20}})
        assert api("POST", f"/{study_id}/retry")["state"] == "queued"

    def test_points_of_a_search_that_failed_are_forgotten(self, api, database, search):
        study_id = api.send(search())
        held = work.lease(database)
        points.try_point(database, held, "adamw", 0)
        points.try_point(
            database, held, "adamw", 1, PointState.FAILED, reason="x", record_=points.recorded()
        )
        assert "has ended" in api.refused("POST", f"/{study_id}/retry", 409)["detail"]
        with database.write() as session:
            held.end(session, StudyState.FAILED, "1 point could not be trained")
        assert api("POST", f"/{study_id}/retry")["state"] == "queued"
        assert [row.number for row in work.rows(database, PointRow)] == [0]

    def test_of_many_at_once_one_is_heard(self, api, database, study):
        study_id = api.send(study())
        fail(database, study_id)

        def again(_):
            return api.client.post(f"/api/v1/studies/{study_id}/retry").status_code

        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(again, range(6))) == [200] + [409] * 5
        assert work.train(database, study_id) == "done"


class TestExtend:
    @pytest.mark.parametrize(
        ("more", "added"),
        [
            ({"seeds": 4}, 16),
            ({"seeds": [7]}, 8),
            ({"learning_rates": [0.1]}, 8),
            ({"weight_decays": [1, 0.1]}, 8),
            ({"optimizers": ["adam-l2"]}, 8),
            (
                {
                    "optimizers": [
                        "adamw",
                        {"name": "adamw", "hyperparameters": {"beta1": 0.5}, "label": "slow"},
                    ]
                },
                8,
            ),
            ({"seeds": 3, "learning_rates": [0.1]}, 20),
        ],
    )
    def test_only_what_is_new_is_trained(self, api, database, study, more, added):
        study_id = api.send(study())
        work.train(database, study_id)
        planned = api("POST", f"/{study_id}/extend", json=more, params={"dry_run": True})
        assert api.read(study_id)["state"] == "done"
        body = api("POST", f"/{study_id}/extend", json=more)
        assert (body["trials"], body["known"], body["missing"]) == (16 + added, 16, added)
        assert body["added"] == added
        assert {name: body[name] for name in planned} == planned
        assert "study" not in planned
        found = body["study"]
        assert found == api.read(study_id)
        assert (found["state"], found["trials"], found["finished"]) == ("queued", 16 + added, 16)
        assert found["finished_at"] is None
        assert len(work.to_do(database, study_id)) == added
        assert work.train(database, study_id) == "done"
        assert len(work.rows(database, TrialRow)) == 16 + added
        positions = [row.position for row in work.rows(database, StudyTrialRow)]
        assert sorted(positions) == list(range(16 + added))
        heatmap = api("GET", f"/{study_id}/heatmap.json")
        assert heatmap

    def test_a_queued_study_stays_where_it_is(self, api, database, study):
        study_id = api.send(study())
        assert api("POST", f"/{study_id}/extend", json={"seeds": 3})["study"]["state"] == "queued"
        assert len(work.to_do(database, study_id)) == 24

    def test_a_study_in_training_goes_on_with_more(self, api, database, study):
        study_id = api.send(study(seeds=1))
        held = work.lease(database)
        keys = work.to_do(database, study_id)
        work.take(database, held, keys)
        assert api("POST", f"/{study_id}/extend", json={"seeds": 2})["study"]["state"] == "running"
        work.record(database, held, results=[work.result(key) for key in keys])
        with database.write() as session:
            assert held.finish(session) is None
        more = work.to_do(database, study_id)
        assert len(more) == 8
        work.take(database, held, more)
        work.record(database, held, results=[work.result(key) for key in more])
        with database.write() as session:
            assert held.finish(session) == "done"

    def test_what_is_known_already_is_done_at_once(self, api, database, study):
        study_id = api.send(study(seeds=1))
        work.train(database, study_id)
        work.train(database, api.send(study(seeds=3)))
        body = api("POST", f"/{study_id}/extend", json={"seeds": 2})
        assert (body["added"], body["missing"]) == (8, 0)
        assert (body["study"]["state"], body["study"]["reused"]) == ("done", 8)

    def test_trials_that_failed_before_stay_failed_and_new_ones_are_tried(
        self, api, database, study
    ):
        study_id = api.send(study(seeds=1))
        fail(database, study_id)
        body = api("POST", f"/{study_id}/extend", json={"seeds": 2})
        assert (body["study"]["state"], body["study"]["failed"]) == ("queued", 2)
        assert len(work.to_do(database, study_id)) == 8
        assert work.train(database, study_id) == "failed"

    def test_nothing_new_is_refused(self, api, database, study):
        study_id = api.send(study())
        same = {"seeds": 2, "learning_rates": [0.01], "optimizers": ["adamw"]}
        problem = api.refused("POST", f"/{study_id}/extend", 409, json=same)
        assert "nothing of this is new" in problem["detail"]
        for nothing in ({}, {"seeds": None}):
            problem = api.refused("POST", f"/{study_id}/extend", 422, json=nothing)
            assert "seeds, learning_rates, weight_decays, optimizers" in problem["detail"]
        assert len(work.rows(database, TrialRow)) == 16

    @pytest.mark.parametrize(
        ("field", "more"),
        [
            ("seeds", {"seeds": 0}),
            ("seeds", {"seeds": 1000, "learning_rates": [n + 1 for n in range(100)]}),
            ("learning_rates.0", {"learning_rates": [0]}),
            ("optimizers.0.name", {"optimizers": ["adamv"]}),
            (
                "optimizers.0.label",
                {"optimizers": [{"name": "adam-l2", "label": "adamw"}]},
            ),
            ("points", {"points": 5}),
            ("seconds", {"seconds": 5}),
            ("task", {"task": "digits-cnn"}),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, api, study, field, more):
        study_id = api.send(study())
        problem = api.refused("POST", f"/{study_id}/extend", 422, json=more)
        assert field in [error["field"] for error in problem["errors"]]

    def test_what_the_code_would_no_longer_train_is_refused(self, api, database, study):
        study_id = api.send(study())
        spec = work.rows(database, StudyRow)[0].spec
        variants = [{**one, "version": 0} for one in spec["variants"]]
        amend(database, study_id, spec={**spec, "variants": variants})
        api.refused("POST", f"/{study_id}/extend", 409, json={"seeds": 5})
        amend(database, study_id, spec={**spec, "task": "gone"})
        api.refused("POST", f"/{study_id}/extend", 409, json={"seeds": 5})

    def test_a_search_is_given_more_points(self, api, database, search):
        study_id = api.send(search())
        held = work.lease(database)
        for number in range(5):
            points.try_point(database, held, "adamw", number)
        with database.write() as session:
            held.end(session, StudyState.DONE)
        body = api("POST", f"/{study_id}/extend", json={"points": 8})
        assert (body["added"], body["points"], body["study"]["state"]) == (6, 8, "queued")
        assert body["study"]["search"]["points"] == 8
        api.refused("POST", f"/{study_id}/extend", 409, json={"points": 8})
        problem = api.refused("POST", f"/{study_id}/extend", 422, json={})
        assert "of a search, points, seconds" in problem["detail"]
        problem = api.refused("POST", f"/{study_id}/extend", 422, json={"seeds": 5})
        assert "clone" in problem["detail"]
        api.refused("POST", f"/{study_id}/extend", 422, json={"seconds": 5})

    def test_a_search_in_training_goes_back_into_the_queue(self, api, database, search):
        study_id = api.send(search(budget={"epochs": 4, "seconds": 5}))
        held = work.lease(database)
        points.try_point(database, held, "adamw", 0)
        points.begin(database, held, "adamw", 1)
        body = api("POST", f"/{study_id}/extend", json={"seconds": 60})
        assert body["study"]["state"] == "queued"
        assert [row.number for row in work.rows(database, PointRow)] == [0]
        with pytest.raises(LeaseLostError), database.write() as session:
            held.renew(session)
        assert work.lease(database).study_id == study_id

    def test_two_at_once_both_count(self, api, database, study):
        study_id = api.send(study(seeds=1))

        def more(seed):
            return api("POST", f"/{study_id}/extend", json={"seeds": [seed]})["added"]

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(more, range(1, 7))) == [8] * 6
        assert api.read(study_id)["seeds"] == list(range(7))
        assert work.train(database, study_id) == "done"
        assert len(work.rows(database, TrialRow)) == 56

    def test_the_same_sent_by_many_is_done_once(self, api, database, study):
        study_id = api.send(study(seeds=1))

        def more(_):
            return api.client.post(
                f"/api/v1/studies/{study_id}/extend", json={"seeds": 2}
            ).status_code

        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(more, range(6))) == [200] + [409] * 5
        assert len(work.rows(database, StudyTrialRow)) == 16
