"""Studies in the database: creating, changing and removing them."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from service.db import clock, utcnow
from service.db.locks import Alone, alone
from service.db.tables import IdempotencyRow, PointRow, StudyRow, StudyTrialRow, TrialRow
from service.db.upsert import insert_new
from service.errors import (
    ConflictError,
    IdempotencyKeyReusedError,
    NotFoundError,
    TooManyStudiesError,
)
from service.events.repository import HEADER, SUMMARIES, announce, announce_trials
from service.search.planning import MODE, SearchSpec
from service.studies.details import add_tags, columns
from service.studies.model import Details, StudyState, leading_to
from service.studies.planning import StudySpec
from service.trials.model import KNOWN, TrialState
from service.webhooks.outbox import study_ended
from workers.contracts import TrialSpec
from workers.search.contracts import PointState

PLAIN = Details()
SEEN_AT_ONCE = 500
"""Keys in one query: SQLite allows some thousand bound values."""
TELLING_EPOCHS = 2
"""Epochs of a trial from which on its time tells that of longer ones."""


@dataclass(frozen=True)
class Plan:
    """What a study would cost."""

    spec: StudySpec | SearchSpec
    trials: int
    known: int
    estimated_worker_seconds: float | None
    points: int | None = None
    """Of a search, at most."""
    epochs: int | None = None
    """Of a search, at most: of all trials."""

    @property
    def missing(self) -> int:
        """Trials to train."""
        return self.trials - self.known


def plan(session: Session, spec: StudySpec | SearchSpec) -> Plan:
    """Count a study's trials and those already known, and estimate the time of the rest."""
    if isinstance(spec, SearchSpec):
        return plan_search(session, spec)
    known = count_known(session, list(spec.keyed))
    missing = spec.trial_count - known
    per_epoch = _seconds_per_epoch(session, spec.task, spec.budget.epochs)
    if missing == 0:
        seconds: float | None = 0.0
    elif per_epoch is None:
        seconds = None
    else:
        seconds = per_epoch * missing * spec.budget.epochs
    return Plan(spec, spec.trial_count, known, seconds)


def plan_search(session: Session, spec: SearchSpec) -> Plan:
    """Say what a search costs at most, and estimate its time."""
    per_epoch = _seconds_per_epoch(session, spec.task, spec.search.budget.epochs)
    seconds = None if per_epoch is None else per_epoch * spec.epochs_expected
    limit = spec.search.seconds
    if limit is not None:
        most = limit * len(spec.labels)
        seconds = most if seconds is None else min(most, seconds)
    return Plan(spec, spec.trial_count, 0, seconds, spec.points, spec.epochs_at_most)


def create_search(session: Session, spec: SearchSpec, details: Details = PLAIN) -> str:
    """Write a search; return its id. Its points are not known before they are proposed."""
    study_id = secrets.token_hex(6)
    session.add(
        StudyRow(
            id=study_id,
            name=spec.name,
            task=spec.task,
            spec=spec.to_json(),
            state=StudyState.QUEUED,
            reused=0,
            created_at=utcnow(),
            **columns(details),
        )
    )
    session.flush()
    add_tags(session, study_id, details.tags)
    return study_id


def create(session: Session, spec: StudySpec | SearchSpec, details: Details = PLAIN) -> str:
    """Write a study and those of its trials that are new; return its id.

    A grid of which every trial is known is done at once.

    Args:
        session: Where.
        spec: What it trains.
        details: What is said about it besides.
    """
    if isinstance(spec, SearchSpec):
        return create_search(session, spec, details)
    alone(session, Alone.COMPOSE)
    now = utcnow()
    study_id = secrets.token_hex(6)
    keys = list(spec.keyed)
    # In the order of their keys they are neighbours in every index: quicker where there are many.
    placed = sorted((key, position) for position, key in enumerate(keys))
    rows = (trial_row(spec.keyed[key], key, now) for key, _ in placed)
    new = insert_new(session, TrialRow, rows)
    # Mostly all are new, and there is no need to ask after a hundred thousand.
    retried = retry_failed(session, keys) if new < len(keys) else []
    known = count_known(session, keys) if new < len(keys) else 0
    done = known == len(keys)
    session.add(
        StudyRow(
            id=study_id,
            name=spec.name,
            task=spec.task,
            spec=spec.to_json(),
            state=StudyState.DONE if done else StudyState.QUEUED,
            reused=known,
            created_at=now,
            started_at=now if done else None,
            finished_at=now if done else None,
            **columns(details),
        )
    )
    session.flush()
    add_tags(session, study_id, details.tags)
    insert_new(
        session,
        StudyTrialRow,
        (
            {"study_id": study_id, "trial_key": key, "position": position}
            for key, position in placed
        ),
    )
    if done:
        study_ended(session, study_id)
    for chunk in chunks(retried):
        announce_trials(session, chunk, SUMMARIES, besides=study_id)
    return study_id


def create_once(
    session: Session,
    spec: StudySpec | SearchSpec,
    idempotency_key: str | None,
    details: Details = PLAIN,
    *,
    most: int | None = None,
) -> tuple[str, bool]:
    """Create a study, or find the one that the same request with this key created before.

    Args:
        session: Where.
        spec: What it trains.
        idempotency_key: As the client chose it; every owner has its own.
        details: What is said about it besides.
        most: Unfinished studies that its owner may have at once.

    Returns:
        The study's id, and whether it is new.

    Raises:
        IdempotencyKeyReusedError: The key came with another request.
        TooManyStudiesError: Its owner has too many.
    """
    alone(session, Alone.COMPOSE)
    if idempotency_key is None:
        check_room(session, details.owner_id, most)
        return create(session, spec, details), True
    said = replace(details, owner_id=None)
    # As it was before there was anything to say besides: old keys find their studies.
    what = spec.to_json() if said == PLAIN else [spec.to_json(), asdict(said)]
    sent = json.dumps(what, sort_keys=True)
    digest = hashlib.sha256(sent.encode()).hexdigest()
    kept_as = _of_owner(idempotency_key, details.owner_id)
    earlier = session.get(IdempotencyRow, kept_as)
    if earlier is None:
        check_room(session, details.owner_id, most)
        study_id = create(session, spec, details)
        session.add(
            IdempotencyRow(key=kept_as, request_hash=digest, study_id=study_id, created_at=utcnow())
        )
        return study_id, True
    if earlier.request_hash != digest:
        raise IdempotencyKeyReusedError(
            f"Idempotency-Key {idempotency_key!r} was sent before with another study "
            f"({earlier.study_id}); use a new key for a new study",
        )
    return earlier.study_id, False


def check_room(session: Session, owner_id: str | None, most: int | None) -> None:
    """Refuse a further unfinished study of a key that has as many as it may.

    Args:
        session: Where; alone with `Alone.COMPOSE`, or two requests see the same room.
        owner_id: The key; None where there is none, which may have any number.
        most: Unfinished studies at once; None for any number.

    Raises:
        TooManyStudiesError: It has.
    """
    if owner_id is None or most is None:
        return
    ended = [state for state in StudyState if state.final]
    count = session.scalar(
        select(func.count())
        .select_from(StudyRow)
        .where(StudyRow.owner_id == owner_id, StudyRow.state.not_in(ended))
    )
    if count is not None and count >= most:
        raise TooManyStudiesError(
            f"this key has {count} unfinished studies, and may have {most} at once "
            "(LPWD_MAX_STUDIES_PER_KEY): wait for one to end, or cancel one"
        )


def _of_owner(idempotency_key: str, owner_id: str | None) -> str:
    """Return what an `Idempotency-Key` is kept as: apart for every owner. A client's own has no
    blank."""
    if owner_id is None:
        return idempotency_key
    return f"{owner_id} {hashlib.sha256(idempotency_key.encode()).hexdigest()}"


def load_spec(session: Session, study_id: str) -> StudySpec:
    """Return what a grid asks for.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It is a search.
    """
    spec = row(session, study_id).spec
    if spec.get("mode") == MODE:
        raise ConflictError(
            f"study {study_id} is a search, which has no map: its results are at "
            f"/api/v1/studies/{study_id}/search and /api/v1/studies/{study_id}/points"
        )
    return StudySpec.from_json(spec)


def read_spec(study: StudyRow) -> StudySpec | SearchSpec:
    """Return what a study asks for, whichever its mode."""
    if study.spec.get("mode") == MODE:
        return SearchSpec.from_json(study.spec)
    return StudySpec.from_json(study.spec)


def locked(session: Session, study_id: str) -> StudyRow:
    """Return a study's row as it is now; until the commit nobody else changes it.

    Whoever also needs to be alone takes that before: in this order no two wait for each other.

    Raises:
        NotFoundError: There is no such study.
    """
    # As an update locks it, so that events may refer to it meanwhile.
    query = (
        select(StudyRow)
        .where(StudyRow.id == study_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    found = session.scalar(query) if study_id.isalnum() else None
    if found is None:
        raise _no_such(study_id)
    return found


def row(session: Session, study_id: str) -> StudyRow:
    """Return a study's row, or raise `NotFoundError`."""
    found = session.get(StudyRow, study_id) if study_id.isalnum() else None
    if found is None:
        raise _no_such(study_id)
    return found


def unfinished(session: Session, study_ids: Sequence[str]) -> set[str]:
    """Return those of the studies that there are, and that have not ended."""
    found: set[str] = set()
    for chunk in chunks(study_ids):
        rows = session.execute(
            select(StudyRow.id, StudyRow.state).where(StudyRow.id.in_(chunk))
        ).all()
        found |= {study_id for study_id, state in rows if not state.final}
    return found


def _no_such(study_id: str) -> NotFoundError:
    return NotFoundError(f"there is no study {study_id[:64]!r}; GET /api/v1/studies lists them")


def cancel(session: Session, study_id: str) -> None:
    """Cancel a queued or running study; what is finished stays. Cancelling twice is no error.

    A running study's lease is taken from its runner, which stops at its next word.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It has ended otherwise.
    """
    if not study_id.isalnum():
        raise _no_such(study_id)
    changed = session.execute(
        update(StudyRow)
        .where(
            StudyRow.id == study_id,
            StudyRow.state.in_(leading_to(StudyState.CANCELLED)),
        )
        .values(
            state=StudyState.CANCELLED,
            finished_at=utcnow(),
            lease_token=None,
            lease_expires_at=None,
        )
        .returning(StudyRow.id)
    ).all()
    if changed:
        study_ended(session, study_id)
        release_trials(session, study_id)
        announce(session, study_id, HEADER)
        return
    state = row(session, study_id).state
    if state is not StudyState.CANCELLED:
        raise ConflictError(f"study {study_id} is {state}: only queued or running can be cancelled")


def remove(session: Session, study_id: str, *, cancelled: bool = False) -> None:
    """Delete a study that has ended, and trials without a result that no other study wants.

    Results stay: another study may ask for the same trials.

    Args:
        session: Where.
        study_id: The study.
        cancelled: Whether to cancel it before, if it is queued or running.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It is queued or running, and not to be cancelled.
    """
    alone(session, Alone.COMPOSE)
    state = locked(session, study_id).state
    if not state.final:
        if not cancelled:
            raise ConflictError(
                f"study {study_id} is {state}: cancel it before you delete it, or delete it with "
                "?cancel=true"
            )
        cancel(session, study_id)
    alone(session, Alone.ANNOUNCE)
    keys = list(
        session.scalars(
            select(StudyTrialRow.trial_key)
            .join(TrialRow, TrialRow.key == StudyTrialRow.trial_key)
            .where(
                StudyTrialRow.study_id == study_id,
                TrialRow.state.in_([TrialState.PENDING, TrialState.FAILED]),
            )
        )
    )
    session.execute(delete(StudyRow).where(StudyRow.id == study_id))
    wanted = exists().where(StudyTrialRow.trial_key == TrialRow.key)
    for chunk in chunks(keys):
        session.execute(delete(TrialRow).where(TrialRow.key.in_(chunk), ~wanted))


def release_trials(session: Session, study_id: str) -> None:
    """Give back a study's running trials whose lease is no longer alive; forget running points."""
    session.execute(
        delete(PointRow).where(PointRow.study_id == study_id, PointRow.state == PointState.RUNNING)
    )
    live = select(StudyRow.lease_token).where(
        StudyRow.state == StudyState.RUNNING,  # for the index's sake: no other has a lease
        StudyRow.lease_token.is_not(None),
        StudyRow.lease_expires_at > clock.now(session),
    )
    mine = select(StudyTrialRow.trial_key).where(StudyTrialRow.study_id == study_id)
    released = session.scalars(
        update(TrialRow)
        .where(
            TrialRow.state == TrialState.RUNNING,
            TrialRow.key.in_(mine),
            TrialRow.claimed_by.not_in(live),
        )
        .values(state=TrialState.PENDING, claimed_by=None, epochs_done=0)
        .returning(TrialRow.key)
    ).all()
    announce_trials(session, released, HEADER)


def retry_failed(session: Session, keys: Sequence[str]) -> list[str]:
    """Let failed trials be tried again: whoever asks for them anew wants that. Returns them."""
    retried: list[str] = []
    for chunk in chunks(keys):
        retried += session.scalars(
            update(TrialRow)
            .where(TrialRow.key.in_(chunk), TrialRow.state == TrialState.FAILED)
            .values(state=TrialState.PENDING, reason=None, attempts=0, epochs_done=0)
            .returning(TrialRow.key)
        )
    return retried


def count_known(session: Session, keys: Sequence[str]) -> int:
    """Return how many of the trials have a result."""
    return sum(
        session.scalar(
            select(func.count())
            .select_from(TrialRow)
            .where(TrialRow.key.in_(chunk), TrialRow.state.in_(KNOWN))
        )
        or 0
        for chunk in chunks(keys)
    )


def _seconds_per_epoch(session: Session, task: str, epochs: int) -> float | None:
    # Weighted by epochs, and a single one tells nothing of more: what a trial of one epoch takes is
    # mostly the start of its pack.
    recent = (
        select(TrialRow.seconds, TrialRow.epochs_done)
        .where(
            TrialRow.task == task,
            TrialRow.finished_at.is_not(None),  # for the index's sake
            TrialRow.seconds.is_not(None),
            TrialRow.epochs_done >= min(TELLING_EPOCHS, epochs),
        )
        .order_by(TrialRow.finished_at.desc())
        .limit(1000)
        .subquery()
    )
    return session.scalar(select(func.sum(recent.c.seconds) / func.sum(recent.c.epochs_done)))


def chunks(keys: Sequence[str]) -> list[Sequence[str]]:
    """Return keys in portions that one query takes."""
    return [keys[i : i + SEEN_AT_ONCE] for i in range(0, len(keys), SEEN_AT_ONCE)]


def trial_row(trial: TrialSpec, key: str, now: Any) -> Mapping[str, Any]:
    """Return the columns of a trial that nobody has trained yet."""
    return {
        "key": key,
        "task": trial.task,
        "task_version": trial.task_version,
        "optimizer": trial.optimizer,
        "optimizer_version": trial.optimizer_version,
        "hyperparameters": trial.hyperparameters,
        "learning_rate": trial.learning_rate,
        "weight_decay": trial.weight_decay,
        "seed": trial.seed,
        "epochs": trial.budget.epochs,
        "batch_size": trial.budget.batch_size,
        "schedule": trial.budget.schedule,
        "numerics": vars(trial.budget.numerics),
        "engine_version": trial.engine_version,
        "state": TrialState.PENDING,
        "attempts": 0,
        "epochs_done": 0,
        "created_at": now,
    }
