"""What a runner does with a search, done by hand, with made-up numbers."""

import numpy as np

from service.db import Database
from service.queue import Lease
from service.search import repository
from service.search.planning import SearchSpec, resolve_search
from service.search.repository import Outcome, open_point, record
from service.search.schemas import SearchRequest
from service.studies import creating
from workers.contracts import CURVES, TrialSpec
from workers.search.contracts import KnownTrial, PointState, Proposed
from workers.search.record import PointRecord

CHANCE = 0.1


def spec_of(request: dict) -> SearchSpec:
    return resolve_search(SearchRequest.model_validate(request), max_trials=100_000)


def send(database: Database, request: dict) -> str:
    with database.write() as session:
        return creating.create(session, spec_of(request))


def spec(database: Database, study_id: str) -> SearchSpec:
    with database.read() as session:
        return repository.load_search(session, study_id)


def values(score: float, seeds: int = 2) -> np.ndarray:
    """One epoch's values: (seeds, columns), the test score 0.01 below."""
    one = dict.fromkeys(CURVES, 1 - score)
    one |= {"validation_score": score, "test_score": score - 0.01}
    return np.tile(np.array([one[name] for name in CURVES], np.float32), (seeds, 1))


def recorded(*scores: float, diverged: dict[int, dict[int, str]] | None = None) -> PointRecord:
    """A record with one score an epoch; `diverged` by epoch."""
    found = PointRecord(2, CHANCE)
    for epoch, score in enumerate(scores, start=1):
        found.add(values(score), (diverged or {}).get(epoch, {}))
    return found


def begin(
    database: Database, held: Lease, label: str, number: int, **parameters: float
) -> tuple[tuple[TrialSpec, ...], tuple[KnownTrial, ...] | None]:
    """Open a point; returns its trials, and what is known of them."""
    parameters = {"learning_rate": 0.01, "weight_decay": 0.1} | parameters
    found = spec(database, held.study_id).search
    optimizer = next(one for one in found.optimizers if one.label == label)
    trials = found.trials(optimizer, parameters)
    return trials, open_point(database, held, Proposed(label, number, parameters), trials)


def try_point(
    database: Database,
    held: Lease,
    label: str,
    number: int,
    state: PointState = PointState.DONE,
    *,
    record_: PointRecord | None = None,
    reason: str | None = None,
    **parameters: float,
) -> tuple[TrialSpec, ...]:
    """Open a point and end it; returns its trials."""
    trials, _ = begin(database, held, label, number, **parameters)
    found = recorded(0.5, 0.6, 0.7, 0.8) if record_ is None else record_
    record(
        database,
        held,
        outcomes=[Outcome(label, number, state, reason, found, 2.0, "cpu (test)", trials)],
    )
    return trials
