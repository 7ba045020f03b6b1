"""Inserting many rows, of which some are there."""

import pytest
from sqlalchemy import select

from service.db import upsert, utcnow
from service.db.tables.studies import CurveRow, TrialRow
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
