"""A database as large as a big installation's, filled in a minute or two."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from service.db import Database, utcnow
from service.db.tables.studies import CurveRow, EventRow, StudyRow, StudyTrialRow, TrialRow
from service.db.upsert import insert_new
from service.studies.model import StudyState
from service.studies.planning import StudySpec, resolve
from service.studies.schemas import StudyRequest
from service.studies.trial_rows import trial_row
from service.trials import curves
from service.trials.model import TrialState

STUDIES_AT_ONCE = 100
SHAPE = {"optimizers": 2, "learning_rates": 5, "weight_decays": 5, "seeds": 2}
TRIALS_EACH = 100
CURVES_EVERY = 10
"""One trial in so many has its curves: they are read one by one, so that more tell nothing more."""


def fill(database: Database, studies: int, *, curves_every: int = CURVES_EVERY) -> list[str]:
    """Write studies of a hundred finished trials each, no two alike; returns their ids."""
    base = resolve(
        StudyRequest.model_validate(
            {
                "name": "filled",
                "task": "digits-mlp",
                "optimizers": ["adamw", "adam-lpwd"],
                "learning_rates": [0.001, 0.003, 0.01, 0.03, 0.1],
                "weight_decays": [0.0, 0.001, 0.01, 0.1, 1.0],
                "seeds": 2,
                "budget": {"epochs": 5},
            }
        ),
        max_trials=TRIALS_EACH,
    )
    ids = [f"{number:012x}" for number in range(studies)]
    began = utcnow() - timedelta(days=365)
    for first in range(0, studies, STUDIES_AT_ONCE):
        with database.write() as session:
            _write(session, base, ids[first : first + STUDIES_AT_ONCE], first, began, curves_every)
    return ids


def _write(
    session: Session,
    base: StudySpec,
    ids: list[str],
    first: int,
    began: datetime,
    curves_every: int,
) -> None:
    rows: dict[type, list[dict[str, Any]]] = {
        table: [] for table in (StudyRow, TrialRow, StudyTrialRow, CurveRow, EventRow)
    }
    for number, study_id in enumerate(ids, start=first):
        moment = began + timedelta(minutes=number)
        # Rates that no other study has: every trial is one of its own.
        rates = tuple(rate * (1 + number * 1e-7) for rate in base.learning_rates)
        spec = replace(base, name=f"filled {number}", learning_rates=rates)
        rows[StudyRow].append(_study(study_id, spec, moment))
        rows[EventRow].append({"study_id": study_id, "parts": ["header"], "created_at": moment})
        for position, (key, row) in enumerate(_trials(spec, moment, number)):
            rows[TrialRow].append(row)
            rows[StudyTrialRow].append(
                {"study_id": study_id, "trial_key": key, "position": position}
            )
            if position % curves_every == 0:
                rows[CurveRow].append({"trial_key": key, "epochs": 5, "data": _CURVE})
    for table, found in rows.items():
        insert_new(session, table, found)


def _study(study_id: str, spec: StudySpec, moment: datetime) -> dict[str, Any]:
    return {
        "id": study_id,
        "name": spec.name,
        "task": spec.task,
        "spec": spec.to_json(),
        "state": StudyState.DONE,
        "reused": 0,
        "created_at": moment,
        "started_at": moment,
        "finished_at": moment,
    }


def _trials(spec: StudySpec, moment: datetime, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    scores = np.random.default_rng(number).uniform(0.1, 0.99, spec.trial_count)
    for (key, trial), score in zip(spec.keyed.items(), map(float, scores), strict=True):
        yield (
            key,
            {
                **trial_row(trial, key, moment),
                "state": TrialState.DONE,
                "epochs_done": trial.budget.epochs,
                "validation_score": score,
                "validation_loss": 1 - score,
                "test_score": score,
                "test_loss": 1 - score,
                "train_loss": 1 - score,
                "seconds": 0.1,
                "device": "cpu (filled)",
                "finished_at": moment,
            },
        )


_CURVE = curves.pack(np.linspace(0, 1, 25, dtype=np.float32).reshape(5, 5))
