"""Counts of a study's trials: as the database has them, whether kept or counted."""

import pytest
from sqlalchemy import event

from service.queue.results import record
from service.studies import counts as counting
from service.studies import queries, repository
from service.trials.model import TrialState
from tests.service import work


def counted(database, study_id):
    with database.read() as session:
        summary = queries.summary(session, study_id)
    return summary.finished, summary.running, summary.progress


@pytest.fixture
def statements(database):
    seen = []
    event.listen(
        database.engine, "before_cursor_execute", lambda _, __, text, *___: seen.append(text)
    )
    return seen


def test_what_did_not_change_is_not_counted_again(database, sent, statements):
    study_id = sent()
    assert counted(database, study_id) == (0, 0, 0.0)
    statements.clear()
    assert counted(database, study_id) == (0, 0, 0.0)
    assert not [text for text in statements if "sum(trials.epochs_done)" in text]


def test_every_event_is_counted(database, sent):
    study_id, sharing = sent(), sent(seeds=[0])
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    assert counted(database, sharing) == (0, 0, 0.0)
    work.take(database, held, keys)
    assert counted(database, study_id) == (0, 16, 0.0)
    record(database, held, progress=dict.fromkeys(keys, 1))
    assert counted(database, study_id) == (0, 16, 0.5)
    record(database, held, results=[work.result(key) for key in keys[:8]])
    assert counted(database, study_id) == (8, 8, 0.75)
    assert counted(database, sharing)[0] == 8
    record(database, held, results=[work.result(key) for key in keys[8:]])
    with database.write() as session:
        held.finish(session)
    assert counted(database, study_id) == (16, 0, 1.0)


def test_a_transaction_sees_its_own_changes(database, sent):
    study_id = sent()
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    assert counted(database, study_id) == (0, 0, 0.0)
    work.take(database, held, keys)
    with database.write() as session:
        repository.cancel(session, study_id)
        study = repository.row(session, study_id)
        found = counting.counts_of(session, [study])[study_id]
        assert found.of(TrialState.RUNNING) == 0
        session.rollback()
    assert counted(database, study_id) == (0, 16, 0.0)


def test_a_large_study_in_training_is_counted_now_and_then(database, sent, monkeypatch):
    monkeypatch.setattr(counting, "LARGE", 0.0)
    monkeypatch.setattr(counting, "AT_MOST", 1e-6)
    study_id = sent()
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    assert counted(database, study_id) == (0, 0, 0.0)
    work.take(database, held, keys)
    assert counted(database, study_id) == (0, 0, 0.0), "it is too soon to count again"
    record(database, held, results=[work.result(key) for key in keys])
    with database.write() as session:
        held.finish(session)
    assert counted(database, study_id) == (16, 0, 1.0), "what has ended is exact"
