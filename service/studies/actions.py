"""Taking up a study again: trying again what failed, adding to it. One transaction each.

Every change of state is one that `service.studies.model.TRANSITIONS` allows.
"""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from service.db import utcnow
from service.db.locks import Alone, alone
from service.db.tables.searches import PointRow
from service.db.tables.studies import StudyRow, StudyTrialRow, TrialRow
from service.db.upsert import insert_new
from service.errors import ConflictError
from service.events.repository import SUMMARIES, announce, announce_trials, panel
from service.search.parts import SEARCH_SUMMARIES, plane
from service.search.planning import SearchSpec
from service.studies.creating import check_room
from service.studies.details import limits_of
from service.studies.extension import OUTDATED, outdated
from service.studies.model import TRANSITIONS, StudyState
from service.studies.planning import StudySpec
from service.studies.repository import locked, read_spec
from service.studies.trial_rows import chunks, count_known, release_trials, retry_failed, trial_row
from service.trials.model import KNOWN, TrialState
from service.webhooks.outbox import study_ended
from workers.search.contracts import PointState


def retry(session: Session, study_id: str, *, most: int | None = None) -> None:
    """Have what failed in a study tried again, and what was left when it was cancelled trained.

    Args:
        session: Where.
        study_id: The study.
        most: Unfinished studies that its owner may have at once.

    Raises:
        TooManyStudiesError: It has ended, and its owner has too many others.
        NotFoundError: There is no such study.
        ConflictError: There is nothing to try again, or it would come to nothing: the code has
            changed since, or a limit is used up.
    """
    alone(session, Alone.COMPOSE)
    study = locked(session, study_id)
    spec = read_spec(study)
    if isinstance(spec, SearchSpec):
        failed: Sequence[object] = session.execute(
            select(PointRow.optimizer, PointRow.number).where(
                PointRow.study_id == study_id, PointRow.state == PointState.FAILED
            )
        ).all()
    else:
        failed = _keys(session, study_id, TrialState.FAILED)
    if not failed and study.state not in (StudyState.FAILED, StudyState.CANCELLED):
        raise ConflictError(
            f"study {study_id} is {study.state} and nothing in it has failed: there is nothing to "
            "try again"
        )
    _check_possible(session, study, spec)
    if study.state.final:
        check_room(session, study.owner_id, most)
    study.losses = 0
    if isinstance(spec, SearchSpec):
        _retry_search(session, study)
        _announce(session, study_id, spec)
        return
    retried = retry_failed(session, [str(key) for key in failed])
    _settle(session, study)
    for chunk in chunks(retried):
        announce_trials(session, chunk, SUMMARIES, besides=study_id)
    _announce(session, study_id, spec)


def _retry_search(session: Session, study: StudyRow) -> None:
    """Forget points that failed, so that others are proposed in their place."""
    if study.state is StudyState.RUNNING:
        raise ConflictError(
            f"study {study.id} is running: a search tries failed points again once it has ended, "
            "or was cancelled"
        )
    session.execute(
        delete(PointRow).where(PointRow.study_id == study.id, PointRow.state == PointState.FAILED)
    )
    if study.state.final:
        _queue(study)


def extend(
    session: Session,
    study_id: str,
    before: object,
    spec: StudySpec | SearchSpec,
    *,
    most: int | None = None,
) -> bool:
    """Add to a study, as `service.studies.extension.extended` has it.

    A study that has ended is queued; one that is queued or in training goes on with more to train.

    Args:
        session: Where.
        study_id: The study.
        before: Its row's `spec` when the extension was reckoned.
        spec: What it is to be.
        most: As for `retry`.

    Returns:
        Whether it was done; if not, the study was changed since: reckon again.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It would come to nothing, as for `retry`.
        TooManyStudiesError: As for `retry`.
    """
    alone(session, Alone.COMPOSE)
    study = locked(session, study_id)
    if study.spec != before:
        return False
    _check_possible(session, study, read_spec(study))
    if study.state.final:
        check_room(session, study.owner_id, most)
    study.spec = spec.to_json()
    if isinstance(spec, SearchSpec):
        _extend_search(session, study)
        _announce(session, study_id, spec)
        return True
    retried = _add_trials(session, study, spec)
    _settle(session, study)
    for chunk in chunks(retried):
        announce_trials(session, chunk, SUMMARIES, besides=study_id)
    _announce(session, study_id, spec)
    return True


def _check_possible(session: Session, study: StudyRow, spec: StudySpec | SearchSpec) -> None:
    """Refuse what the next runner would only end again. Raises `ConflictError`."""
    first = select(StudyTrialRow.trial_key).where(StudyTrialRow.study_id == study.id).limit(1)
    if outdated(spec, [] if isinstance(spec, SearchSpec) else session.scalars(first).all()):
        raise ConflictError(f"study {study.id} cannot be trained any further: {OUTDATED}")
    limits = limits_of(study)
    for field, used, limit in (
        ("running_seconds", study.seconds_running, limits.running_seconds),
        ("training_seconds", study.seconds_trained, limits.training_seconds),
    ):
        if limit is not None and used >= limit:
            raise ConflictError(
                f"study {study.id} has used up its limits.{field}, {used:,.0f} of {limit:,.0f} s: "
                f"raise it first, with PATCH /api/v1/studies/{study.id}"
            )


def _add_trials(session: Session, study: StudyRow, spec: StudySpec) -> list[str]:
    """Write the trials that a grid has not yet, after those it has; returns those tried again."""
    of_study = StudyTrialRow.study_id == study.id
    present = set(session.scalars(select(StudyTrialRow.trial_key).where(of_study)))
    fresh = [key for key in spec.keyed if key not in present]
    now = utcnow()
    insert_new(session, TrialRow, (trial_row(spec.keyed[key], key, now) for key in fresh))
    retried = retry_failed(session, fresh)
    last = session.scalar(select(func.max(StudyTrialRow.position)).where(of_study))
    following = 0 if last is None else last + 1
    insert_new(
        session,
        StudyTrialRow,
        (
            {"study_id": study.id, "trial_key": key, "position": following + place}
            for place, key in enumerate(fresh)
        ),
    )
    study.reused += count_known(session, fresh)
    return retried


def _extend_search(session: Session, study: StudyRow) -> None:
    """Queue a search with a new budget.

    One in training goes back into the queue: its process was told the budget at its start. The
    points in training are begun again.
    """
    if study.state is StudyState.RUNNING:
        _move(study, StudyState.QUEUED)
        study.lease_token = study.lease_expires_at = None
        session.flush()
        release_trials(session, study.id)
    elif study.state is not StudyState.QUEUED:
        _queue(study)


def _settle(session: Session, study: StudyRow) -> None:
    """Put a grid that has ended into the state that its trials have it in."""
    session.flush()
    if not study.state.final:
        return
    states = set(
        session.scalars(
            select(TrialRow.state)
            .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
            .where(StudyTrialRow.study_id == study.id)
            .distinct()
        )
    )
    if not states <= KNOWN:
        _queue(study)
    elif study.state is not StudyState.DONE:
        _move(study, StudyState.DONE)
        study.error = None
        study.finished_at = utcnow()
        session.flush()
        study_ended(session, study.id)


def _queue(study: StudyRow) -> None:
    _move(study, StudyState.QUEUED)
    study.error = study.finished_at = None


def _move(study: StudyRow, state: StudyState) -> None:
    assert state in TRANSITIONS[study.state]  # noqa: S101 - a mistake of ours
    study.state = state


def _keys(session: Session, study_id: str, state: TrialState) -> Sequence[str]:
    return session.scalars(
        select(TrialRow.key)
        .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
        .where(StudyTrialRow.study_id == study_id, TrialRow.state == state)
    ).all()


def _announce(session: Session, study_id: str, spec: StudySpec | SearchSpec) -> None:
    session.flush()
    if isinstance(spec, SearchSpec):
        announce(session, study_id, [*SEARCH_SUMMARIES, *map(plane, spec.labels)])
    else:
        panels = (panel(variant.label) for variant in spec.variants)
        announce(session, study_id, [*SUMMARIES, *panels])
