"""Inserting many rows, of which some are there."""

import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from service.db import upsert, utcnow
from service.db.tables.studies import CurveRow, StudyTrialRow, TrialRow
from service.db.upsert import insert_new
from service.studies.trial_rows import trial_row
from tests.service import work


@pytest.mark.parametrize("at_once", [3, 1000], ids=["many at once", "few"])
def test_new_rows_are_inserted_and_others_left(database, study, monkeypatch, at_once):
    monkeypatch.setattr(upsert, "ROWS", at_once)
    trials = work.spec_of(study()).keyed
    now = utcnow()
    rows = [trial_row(trial, key, now) for key, trial in trials.items()]
    with database.write() as session:
        assert insert_new(session, TrialRow, rows[:5]) == 5
        assert insert_new(session, TrialRow, rows) == len(rows) - 5
        assert insert_new(session, TrialRow, iter(rows)) == 0
        assert insert_new(session, TrialRow, []) == 0
        curve = {"trial_key": rows[0]["key"], "epochs": 1, "data": b"\x00\\\t\n\xff"}
        assert insert_new(session, CurveRow, [curve]) == 1
    with database.read() as session:
        found = {row.key: row for row in session.scalars(select(TrialRow))}
        assert found.keys() == trials.keys()
        for key, trial in trials.items():
            row = found[key]
            assert row.created_at == now
            assert row.hyperparameters == trial.hyperparameters
            assert row.numerics == vars(trial.budget.numerics)
            assert (row.learning_rate, row.seed, row.state) == (
                trial.learning_rate,
                trial.seed,
                "pending",
            )
        assert session.scalars(select(CurveRow.data)).one() == curve["data"]


@pytest.mark.parametrize("at_once", [2, 1000], ids=["many at once", "few"])
def test_a_row_that_is_in_the_way_of_another_key_is_an_error(database, study, monkeypatch, at_once):
    study_id = work.send(database, study())
    monkeypatch.setattr(upsert, "ROWS", at_once)
    keys = work.to_do(database, study_id)
    there = [
        {"study_id": study_id, "trial_key": key, "position": place}
        for place, key in enumerate(keys)
    ]
    with database.write() as session:
        assert insert_new(session, StudyTrialRow, there) == 0
        session.execute(delete(StudyTrialRow).where(StudyTrialRow.trial_key.in_(keys[:2])))
    taken = [{**row, "position": row["position"] + 2} for row in there[:2]]
    with pytest.raises(IntegrityError), database.write() as session:
        insert_new(session, StudyTrialRow, taken)
    with database.write() as session:
        unique = ("study_id", "position")
        assert insert_new(session, StudyTrialRow, taken, key=unique) == 0
