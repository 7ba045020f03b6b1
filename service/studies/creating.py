"""Studies in the database: writing new ones."""

import hashlib
import json
import secrets
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.db import utcnow
from service.db.locks import Alone, alone
from service.db.tables.studies import IdempotencyRow, StudyRow, StudyTrialRow, TrialRow
from service.db.upsert import insert_new
from service.errors import IdempotencyKeyReusedError, TooManyStudiesError
from service.events.repository import SUMMARIES, announce_trials
from service.search.planning import SearchSpec
from service.studies.details import add_tags, columns
from service.studies.model import Details, StudyState
from service.studies.planning import StudySpec
from service.studies.trial_rows import chunks, count_known, retry_failed, trial_row
from service.webhooks.outbox import study_ended

PLAIN = Details()


def create_search(session: Session, spec: SearchSpec, details: Details = PLAIN) -> str:
    """Write a search; return its id. Its points are not known before they are proposed."""
    return _write(session, spec, details, utcnow())


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
    keys = list(spec.keyed)
    # In the order of their keys they are neighbours in every index: quicker where there are many.
    placed = sorted((key, position) for position, key in enumerate(keys))
    rows = (trial_row(spec.keyed[key], key, now) for key, _ in placed)
    new = insert_new(session, TrialRow, rows)
    # Mostly all are new, and there is no need to ask after a hundred thousand.
    retried = retry_failed(session, keys) if new < len(keys) else []
    known = count_known(session, keys) if new < len(keys) else 0
    done = known == len(keys)
    study_id = _write(session, spec, details, now, known=known, done=done)
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


def _write(
    session: Session,
    spec: StudySpec | SearchSpec,
    details: Details,
    now: datetime,
    *,
    known: int = 0,
    done: bool = False,
) -> str:
    """Write a study without its trials, queued or done at once; return its new id."""
    study_id = secrets.token_hex(6)
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
