"""A search in progress, without its process: when it is given up, put back or over."""

import pytest
from sqlalchemy import update

from service.db.tables.studies import StudyRow
from service.errors import LeaseLostError
from service.search.run import SearchRun
from service.studies import repository as studies
from service.studies.model import StudyState
from service.studies.queries import summary
from tests.service import work
from tests.service.search import points
from workers.connection import ClusterLostError
from workers.search.process import SearchLostError


def dies(_):
    raise SearchLostError("the node is gone")


def never(_):
    raise AssertionError("no process is needed")


def run(database, start, *, attempts=3, stopping=lambda: False):
    return SearchRun(
        database, work.lease(database), start, attempts=attempts, stopping=stopping
    ).run()


def error(database, study_id):
    with database.read() as session:
        return summary(session, study_id).error


def test_a_search_whose_process_dies_time_and_again_is_given_up(database, searching):
    study_id = searching()
    assert run(database, dies, attempts=2) is StudyState.FAILED
    assert error(database, study_id) == "given up after 2 attempts; the last: the node is gone"


def test_a_search_with_nothing_left_to_try_ends_without_a_process(database, searching):
    searching(optimizers=["adamw"], budget={"epochs": 4, "points": 1})
    held = work.lease(database)
    points.try_point(database, held, "adamw", 0)
    with database.write() as session:
        held.give_back(session)
    assert run(database, never) is StudyState.DONE


def test_told_to_stop_it_puts_the_search_back(database, searching):
    study_id = searching()
    assert run(database, never, stopping=lambda: True) is None
    with database.read() as session:
        assert summary(session, study_id).state is StudyState.QUEUED


def test_a_search_that_was_cancelled_meanwhile_is_left_alone(database, searching):
    study_id = searching()

    def cancelled(_):
        with database.write() as session:
            studies.cancel(session, study_id)
        raise SearchLostError("the runner ended it")

    with pytest.raises(LeaseLostError):
        run(database, cancelled)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"engine_version": 0}, "send it again"),
        ({"task_version": 0}, "send it again"),
        ({"task": "no-such-task"}, "no-such-task"),
    ],
)
def test_a_search_that_the_present_code_cannot_train_fails_and_says_so(
    database, searching, change, said
):
    study_id = searching()
    spec = points.spec(database, study_id).to_json() | change
    with database.write() as session:
        session.execute(update(StudyRow).where(StudyRow.id == study_id).values(spec=spec))
    assert run(database, never) is StudyState.FAILED
    assert said in error(database, study_id)


def test_a_search_at_its_limit_ends_without_a_process_and_says_how_to_go_on(database, searching):
    study_id = searching()
    used = {"training_limit": 10.0, "seconds_trained": 10.0}
    with database.write() as session:
        session.execute(update(StudyRow).where(StudyRow.id == study_id).values(**used))
    assert run(database, never) is StudyState.FAILED
    assert "it reached its limit of 10 s of training" in error(database, study_id)
    assert "limits.training_seconds" in error(database, study_id)


def test_a_search_whose_cluster_is_gone_says_so_to_its_runner(database, searching):
    searching()

    def gone(_):
        raise ClusterLostError("Ray's raylet died")

    with pytest.raises(ClusterLostError):
        run(database, gone)
