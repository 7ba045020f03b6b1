"""Points in the database: what is written under a lease, and what becomes of it."""

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from service.db import schema
from service.db.counters import counters
from service.db.tables.searches import PointRow
from service.db.tables.studies import CurveRow, StudyRow, StudyTrialRow, TrialRow
from service.errors import ConflictError, LeaseLostError
from service.search import scores
from service.search.model import TRANSITIONS
from service.search.repository import Underway, ended_points, finish, record
from service.studies import costs
from service.studies import repository as studies
from service.studies.model import StudyState
from service.studies.queries import summary
from service.trials import curves
from service.trials.model import TrialState, counter_of
from tests.service import work
from tests.service.search import points
from workers.search.contracts import PointState
from workers.search.record import PointRecord


def summarise(database, study_id):
    with database.read() as session:
        return summary(session, study_id)


def end(database, held):
    with database.write() as session:
        return finish(session, held)


def test_the_states_of_a_point_are_one_table():
    assert set(TRANSITIONS) == set(PointState)
    assert TRANSITIONS[PointState.RUNNING] == set(PointState) - {PointState.RUNNING}
    assert not any(TRANSITIONS[state] for state in PointState if state is not PointState.RUNNING)


def test_scores_come_back_from_their_bytes():
    table = np.random.default_rng(0).random((7, 3), np.float32)
    np.testing.assert_array_equal(scores.unpack(scores.pack(table), 3), table)


def test_a_point_trained_in_full_leaves_trials_that_a_grid_reuses(database, searching, study):
    study_id = searching()
    held = work.lease(database)
    trials = points.try_point(database, held, "adamw", 0, beta1=0.9)
    (point,) = work.rows(database, PointRow)
    assert (point.state, point.epochs_done, point.diverged) == (PointState.DONE, 4, 0)
    assert point.value == pytest.approx(0.8)
    assert point.test_value == pytest.approx(0.79)
    assert point.parameters == {"learning_rate": 0.01, "weight_decay": 0.1, "beta1": 0.9}
    assert work.states(database, study_id) == {trial.key: TrialState.DONE for trial in trials}
    assert {row.epochs for row in work.rows(database, CurveRow)} == {4}
    (stored,) = [row for row in work.rows(database, TrialRow) if row.seed == 1]
    assert stored.test_score == pytest.approx(0.79)
    assert stored.seconds == 1.0
    assert stored.claimed_by is None
    with database.read() as session:
        assert counters(session) == {counter_of(TrialState.DONE): 2}
    grid = study(optimizers=["adamw"], budget={"epochs": 4, "batch_size": 64}, weight_decays=[0.1])
    with database.read() as session:
        plan = costs.plan(session, work.spec_of(grid))
    assert (plan.trials, plan.known) == (4, 2)


def test_a_point_whose_trials_a_grid_has_trained_is_known(database, searching, study):
    grid = work.send(
        database,
        study(
            optimizers=["adamw"],
            learning_rates=[0.01],
            weight_decays=[0.1],
            budget={"epochs": 4, "batch_size": 64},
        ),
    )
    work.train(database, grid, lambda trial: 0.9 if trial.seed == 0 else None)
    study_id = searching()
    held = work.lease(database)
    _, known = points.begin(database, held, "adamw", 0)
    assert [trial.diverged is None for trial in known] == [True, False]
    assert known[0].curves[-1, 2] == pytest.approx(0.9)
    assert summarise(database, study_id).reused == 2
    _, unknown = points.begin(database, held, "adamw", 1, learning_rate=0.02)
    assert unknown is None


def test_what_a_grid_waits_for_a_search_may_finish(database, searching, study):
    searching()
    held = work.lease(database)
    grid = work.send(
        database,
        study(
            optimizers=["adamw"],
            learning_rates=[0.01],
            weight_decays=[0.1],
            budget={"epochs": 4, "batch_size": 64},
        ),
    )
    points.try_point(database, held, "adamw", 0)
    assert work.to_do(database, grid) == []


def test_what_a_grid_trains_now_is_left_to_it(database, searching, study):
    grid = work.send(
        database,
        study(
            optimizers=["adamw"],
            learning_rates=[0.01],
            weight_decays=[0.1],
            seeds=[0],
            budget={"epochs": 4, "batch_size": 64},
        ),
    )
    grids = work.lease(database)
    (key,) = work.to_do(database, grid)
    work.take(database, grids, [key])
    study_id = searching()
    held = work.lease(database)
    trials = points.try_point(database, held, "adamw", 0)
    assert trials[0].key == key
    assert set(work.states(database, study_id)) == {trials[1].key}
    assert work.states(database, grid) == {key: TrialState.RUNNING}


def test_trials_of_a_search_have_places_of_their_own(database, searching, study):
    """Also where one of a point's is there already, and another joins it."""
    grid = work.send(
        database,
        study(
            optimizers=["adamw"],
            learning_rates=[0.01],
            weight_decays=[0.1],
            seeds=[1],
            budget={"epochs": 4, "batch_size": 64},
        ),
    )
    grids = work.lease(database)
    keys = work.to_do(database, grid)
    work.take(database, grids, keys)
    study_id = searching()
    held = work.lease(database)
    points.try_point(database, held, "adamw", 0)
    work.record(database, grids, results=[work.result(keys[0], epochs=4)])
    points.try_point(database, held, "adamw", 1)
    points.try_point(database, held, "adamw", 2, learning_rate=0.02)
    rows = [row for row in work.rows(database, StudyTrialRow) if row.study_id == study_id]
    assert sorted(row.position for row in rows) == [0, 1, 2, 3]


def test_pruned_and_failed_points_become_no_trials(database, searching):
    study_id = searching()
    held = work.lease(database)
    points.try_point(database, held, "adamw", 0, PointState.PRUNED, record_=points.recorded(0.3))
    points.try_point(
        database, held, "adamw", 1, PointState.FAILED, record_=PointRecord(2, 0.1), reason="why"
    )
    assert work.rows(database, TrialRow) == work.rows(database, StudyTrialRow) == []
    pruned, failed = work.rows(database, PointRow)
    assert (pruned.value, pruned.epochs_done) == (pytest.approx(0.3), 1)
    assert (failed.value, failed.reason) == (None, "why")
    assert summarise(database, study_id).search.ended == 2


def test_a_diverged_seed_scores_chance_from_then_on(database, searching):
    searching()
    held = work.lease(database)
    one = points.recorded(0.5, 0.9, 0.9, 0.9, diverged={2: {1: "too fast"}})
    trials = points.try_point(database, held, "adamw", 0, record_=one)
    (point,) = work.rows(database, PointRow)
    assert (point.state, point.diverged) == (PointState.DONE, 1)
    assert point.value == pytest.approx((0.9 + 0.1) / 2)
    stored = {row.key: row for row in work.rows(database, TrialRow)}
    assert stored[trials[1].key].state is TrialState.DIVERGED
    assert stored[trials[1].key].reason == "too fast"
    lengths = {row.trial_key: row.epochs for row in work.rows(database, CurveRow)}
    assert lengths == {trials[0].key: 4, trials[1].key: 2}


def test_a_point_of_which_every_seed_diverged_has_the_value_of_chance(database, searching):
    searching()
    held = work.lease(database)
    one = points.recorded(0.5, 0.9, diverged={1: {0: "first"}, 2: {1: "second"}})
    assert one.all_diverged
    points.try_point(database, held, "adamw", 0, PointState.DIVERGED, record_=one, reason="first")
    (point,) = work.rows(database, PointRow)
    assert point.value == pytest.approx(0.1)
    assert {row.state for row in work.rows(database, TrialRow)} == {TrialState.DIVERGED}
    assert curves.unpack(work.rows(database, CurveRow)[0].data).shape[1] == 5


def test_progress_is_told_by_points_and_epochs(database, searching):
    study_id = searching()
    held = work.lease(database)
    points.try_point(database, held, "adamw", 0)
    points.begin(database, held, "adam-lpwd", 0)
    record(
        database,
        held,
        underway=[Underway("adam-lpwd", 0, 2, 0.4, 1.5, "cpu (test)")],
        seconds_left=100.0,
    )
    found = summarise(database, study_id)
    assert found.progress == pytest.approx((1 / 5 + 2 / 4 / 5) / 2)
    assert (found.search.points, found.search.done, found.search.running) == (10, 1, 1)
    assert found.search.seconds == pytest.approx(3.5)
    assert found.eta_seconds == pytest.approx(100, abs=30)
    assert end(database, held) is StudyState.DONE
    assert summarise(database, study_id).progress == 1.0


def test_a_budget_in_seconds_is_progress_too(database, searching):
    study_id = searching(budget={"seconds": 4, "epochs": 4})
    held = work.lease(database)
    points.try_point(database, held, "adamw", 0)
    found = summarise(database, study_id)
    assert found.search.seconds_at_most == 8
    assert found.progress == pytest.approx(0.25)


@pytest.mark.parametrize("how", ["cancel", "give back", "silence", "finish"])
def test_a_point_that_is_cut_off_leaves_no_row(database, searching, how):
    study_id = searching()
    held = work.lease(database)
    points.try_point(database, held, "adamw", 0)
    points.begin(database, held, "adamw", 1)
    with database.write() as session:
        if how == "cancel":
            studies.cancel(session, study_id)
        elif how == "give back":
            held.give_back(session)
        elif how == "finish":
            finish(session, held)
    if how == "silence":
        work.silence(database, study_id)
        assert work.lease(database).study_id == study_id
    assert [point.number for point in work.rows(database, PointRow)] == [0]
    with pytest.raises(LeaseLostError):
        points.try_point(database, held, "adamw", 2)
    assert [point.number for point in work.rows(database, PointRow)] == [0]


def test_ended_points_come_back_in_the_order_they_ended(database, searching):
    study_id = searching()
    held = work.lease(database)
    points.begin(database, held, "adamw", 0)
    points.try_point(
        database, held, "adamw", 1, PointState.PRUNED, record_=points.recorded(0.25, 0.5)
    )
    points.try_point(database, held, "adamw", 2)
    with database.read() as session:
        past = ended_points(session, study_id, 2)
    assert [point.number for point in past["adamw"]] == [1, 2]
    assert past["adamw"][0].means == (0.25, 0.5)
    assert past["adamw"][0].state is PointState.PRUNED
    assert past["adamw"][1].value == pytest.approx(0.8)


def test_a_search_ends_as_failed_where_a_point_did(database, searching):
    study_id = searching()
    held = work.lease(database)
    points.try_point(
        database, held, "adamw", 0, PointState.FAILED, record_=PointRecord(2, 0.1), reason="why"
    )
    assert end(database, held) is StudyState.FAILED
    assert summarise(database, study_id).error == "1 point could not be trained; the first: why"


def test_deleting_a_search_keeps_its_trials(database, searching):
    study_id = searching()
    held = work.lease(database)
    points.try_point(database, held, "adamw", 0)
    end(database, held)
    with database.write() as session:
        studies.remove(session, study_id)
    assert work.rows(database, StudyRow) == work.rows(database, PointRow) == []
    assert len(work.rows(database, TrialRow)) == 2


def test_the_two_modes_are_told_apart_with_the_way_out(database, searching, sent):
    search_id, grid_id = searching(), sent()
    with database.read() as session:
        with pytest.raises(ConflictError, match=rf"studies/{search_id}/search"):
            studies.load_spec(session, search_id)
        with pytest.raises(ConflictError, match=rf"studies/{grid_id}/heatmap.json"):
            points.repository.load_search(session, grid_id)


WRONG = [
    "UPDATE points SET state = 'stopped'",
    "UPDATE points SET state = 'running'",
    "UPDATE points SET finished_at = NULL",
    "UPDATE points SET value = NULL",
    "UPDATE points SET test_value = NULL",
    "UPDATE points SET epochs_done = 0",
    "UPDATE points SET state = 'diverged'",
    "UPDATE points SET state = 'failed'",
    "UPDATE points SET learning_rate = 0",
    "UPDATE points SET weight_decay = -1",
    "UPDATE points SET number = -1",
    "UPDATE points SET diverged = -1",
    "UPDATE points SET study_id = 'nobody'",
    "INSERT INTO points SELECT * FROM points",
]


@pytest.mark.parametrize("statement", WRONG)
def test_the_database_refuses_points_that_cannot_be(database, searching, statement):
    searching()
    points.try_point(database, work.lease(database), "adamw", 0)
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(text(statement))


def test_going_back_before_searches_takes_them_along_and_leaves_grids(
    client, database, searching, search, sent, study
):
    search_id, grid_id = searching(), sent()
    points.try_point(database, work.lease(database), "adamw", 0)
    for one in (search(), study()):
        body = {"name": "x", "cron": "0 3 * * *", "study": one}
        assert client.post("/api/v1/schedules", json=body).status_code == 201
    schema.downgrade(database, "0002")
    with database.read() as session:
        assert session.scalars(text("SELECT id FROM studies")).all() == [grid_id]
        assert session.scalar(text("SELECT count(*) FROM schedules")) == 1
    schema.upgrade(database)
    assert client.get(f"/api/v1/studies/{grid_id}").status_code == 200
    assert client.get(f"/api/v1/studies/{search_id}").status_code == 404
    (schedule,) = client.get("/api/v1/schedules").json()
    assert schedule["study"]["mode"] == "grid"
