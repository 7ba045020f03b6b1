"""What runners do, done by hand: claim, train (with made-up numbers), record, fall silent."""

from collections.abc import Callable, Iterable
from datetime import timedelta

import numpy as np
from sqlalchemy import select, update

from service.db import Database, utcnow
from service.db.tables.studies import StudyRow, StudyTrialRow, TrialRow
from service.queue import Lease, claim
from service.queue.results import Result, claim_trials, missing, record
from service.studies import creating, repository
from service.studies.model import StudyState
from service.studies.planning import StudySpec, resolve
from service.studies.schemas import StudyRequest
from service.trials.model import TrialState
from workers.contracts import TrialSpec

Score = Callable[[TrialSpec], float | None]
"""Validation score of a trial, its test score being 0.01 less; None when it diverges."""


def spec_of(request: dict) -> StudySpec:
    return resolve(StudyRequest.model_validate(request), max_trials=100_000)


def send(database: Database, request: dict) -> str:
    """Create a study; returns its id."""
    with database.write() as session:
        return creating.create(session, spec_of(request))


def lease(database: Database, seconds: float = 1000) -> Lease:
    found = claim(database, seconds=seconds, device="1 × cpu (test)")
    assert found is not None
    return found


def take(database: Database, held: Lease, keys: Iterable[str]) -> set[str]:
    return claim_trials(database, held, list(keys), ["adamw"])


def to_do(database: Database, study_id: str) -> list[str]:
    with database.read() as session:
        return missing(session, study_id)


def result(key: str, score: float | None = 0.9, *, label: str = "adamw", epochs: int = 2) -> Result:
    """Make an outcome: curves that rise to the score, or a divergence."""
    curves = np.zeros((epochs, 5), np.float32)
    if score is not None:
        curves[:, 0] = curves[:, 1] = curves[:, 3] = 1 - score
        curves[:, 2] = score
        curves[:, 4] = score - 0.01
    diverged = "the loss was not a finite number in epoch 1" if score is None else None
    return Result(key, label, curves, diverged, 0.5, "cpu (test)")


def train(database: Database, study_id: str, score: Score | None = None) -> StudyState | None:
    """Claim the oldest study, which must be this one, and train all that it misses."""
    held = lease(database)
    assert held.study_id == study_id
    keys = to_do(database, study_id)
    with database.read() as session:
        spec = repository.load_spec(session, study_id)
    taken = take(database, held, keys)
    epochs = min(2, spec.budget.epochs)
    done = [
        result(k, 0.9 if score is None else score(spec.keyed[k]), epochs=epochs)
        for k in keys
        if k in taken
    ]
    if done:
        record(database, held, results=done)
    with database.write() as session:
        return held.finish(session)


def silence(database: Database, study_id: str) -> None:
    """Let a study's lease run out, as if its runner had said nothing for long."""
    expire(database, study_id, timedelta(seconds=-1))


def expire(database: Database, study_id: str, left: timedelta) -> None:
    with database.write() as session:
        session.execute(
            update(StudyRow).where(StudyRow.id == study_id).values(lease_expires_at=utcnow() + left)
        )


def states(database: Database, study_id: str) -> dict[str, TrialState]:
    """Key to state of a study's trials."""
    with database.read() as session:
        return dict(
            session.execute(
                select(TrialRow.key, TrialRow.state)
                .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
                .where(StudyTrialRow.study_id == study_id)
            ).all()
        )


def rows(database: Database, table: type) -> list:
    with database.read() as session:
        return list(session.scalars(select(table)))


def bearer(token):
    """Headers that send a key."""
    return {"Authorization": f"Bearer {token}"}
