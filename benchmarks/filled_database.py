"""A database as large as a big installation's, filled in about a minute."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from service.db import Database, utcnow
from service.db.tables.keys import KeyRow
from service.db.tables.studies import (
    CurveRow,
    EventRow,
    StudyRow,
    StudyTrialRow,
    TagRow,
    TrialRow,
)
from service.db.upsert import insert_new
from service.events.repository import SUMMARIES, announce
from service.keys.model import Role
from service.studies.model import StudyState
from service.studies.planning import StudySpec, resolve
from service.studies.schemas import StudyRequest
from service.studies.trial_rows import trial_row
from service.trials import curves
from service.trials.model import TrialState

STUDIES_AT_ONCE = 500
TRIALS_EACH = 100
CURVES_EVERY = 10
"""One trial in so many has its curves: they are read one by one, so that more tell nothing more."""
OWNERS = ("alice", "bob", "carol")
TAGS = {"paper": 7, "night": 2, "rare": 1000}
"""Tag to how many studies there are for one that has it."""
CANCELLED_EVERY = 50
DEVICE = "cpu (filled)"
CACHE = 256 * 1024
"""KiB that SQLite may keep in memory while it is filled."""


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
    with database.write() as session:
        if database.sqlite:
            session.execute(text(f"PRAGMA cache_size = {-CACHE}"))
        insert_new(session, KeyRow, [_key(name, began) for name in OWNERS])
    for first in range(0, studies, STUDIES_AT_ONCE):
        with database.write() as session:
            _write(session, base, ids[first : first + STUDIES_AT_ONCE], first, began, curves_every)
    if not database.sqlite:  # as it does by itself, a while later
        with database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                text("VACUUM ANALYZE")
            )
    return ids


def finish(database: Database, study_id: str) -> None:
    """Give every trial of a study a result, and end it, as if a runner had trained it."""
    now = utcnow()
    keys = select(StudyTrialRow.trial_key).where(StudyTrialRow.study_id == study_id)
    score = 0.5 + TrialRow.learning_rate / 10 + TrialRow.seed / 1000
    ended = {"epochs_done": TrialRow.epochs, "seconds": 0.1, "device": DEVICE, "finished_at": now}
    with database.write() as session:
        session.execute(
            update(TrialRow)
            .where(TrialRow.key.in_(keys), TrialRow.state == TrialState.PENDING)
            .values(state=TrialState.DONE, validation_score=score, test_score=score, **ended)
            .execution_options(synchronize_session=False)
        )
        session.execute(
            update(StudyRow)
            .where(StudyRow.id == study_id)
            .values(state=StudyState.DONE, finished_at=now)
        )
        announce(session, study_id, SUMMARIES)


def _key(name: str, moment: datetime) -> dict[str, Any]:
    """Return a key that opens nothing."""
    return {
        "id": name,
        "name": name,
        "hash": name,
        "role": Role.SUBMITTER,
        "created_at": moment,
        "revoked_at": moment,
    }


def _write(
    session: Session,
    base: StudySpec,
    ids: list[str],
    first: int,
    began: datetime,
    curves_every: int,
) -> None:
    rows: dict[type, list[dict[str, Any]]] = {
        table: [] for table in (StudyRow, TagRow, TrialRow, StudyTrialRow, CurveRow, EventRow)
    }
    for number, study_id in enumerate(ids, start=first):
        moment = began + timedelta(minutes=number)
        # Rates that no other study has: every trial is one of its own.
        rates = tuple(rate * (1 + number * 1e-7) for rate in base.learning_rates)
        spec = replace(base, name=f"filled {number}", learning_rates=rates)
        rows[StudyRow].append(_study(study_id, spec, moment, number))
        rows[TagRow] += [
            {"study_id": study_id, "tag": tag} for tag, of in TAGS.items() if number % of == 0
        ]
        rows[EventRow].append({"study_id": study_id, "parts": ["header"], "created_at": moment})
        for position, (key, row) in enumerate(_trials(spec, moment, number)):
            rows[TrialRow].append(row)
            rows[StudyTrialRow].append(
                {"study_id": study_id, "trial_key": key, "position": position}
            )
            if position % curves_every == 0:
                rows[CurveRow].append({"trial_key": key, "epochs": 5, "data": _CURVE})
    rows[TrialRow].sort(key=lambda row: row["key"])  # neighbours in the index
    for table, found in rows.items():
        insert_new(session, table, found)


def _study(study_id: str, spec: StudySpec, moment: datetime, number: int) -> dict[str, Any]:
    cancelled = number % CANCELLED_EVERY == 0
    return {
        "id": study_id,
        "name": spec.name,
        "task": spec.task,
        "spec": spec.to_json(),
        "state": StudyState.CANCELLED if cancelled else StudyState.DONE,
        "owner_id": OWNERS[number % len(OWNERS)],
        "priority": number % 3,
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
                "device": DEVICE,
                "finished_at": moment,
            },
        )


_CURVE = curves.pack(np.linspace(0, 1, 25, dtype=np.float32).reshape(5, 5))
