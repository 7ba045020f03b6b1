"""Schedules in the database, and their firings."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from service.db import Database, utcnow
from service.db.tables.schedules import FiringRow, ScheduleRow
from service.db.upsert import insert_new
from service.errors import InvalidRequestError, NotFoundError, ServiceError
from service.schedules.clock import check, next_after
from service.schedules.schemas import ScheduleChange, ScheduleRequest
from service.search.planning import resolve_any
from service.search.schemas import ANY_STUDY, SearchRequest
from service.studies import creating
from service.studies.details import details_of
from service.studies.schemas import StudyRequest


def create(session: Session, request: ScheduleRequest, *, max_trials: int) -> ScheduleRow:
    """Write a schedule.

    Raises:
        InvalidRequestError: Cron expression, time zone or study are not valid.
    """
    check(request.cron, request.timezone)
    _check_study(request.study, max_trials)
    now = utcnow()
    schedule = ScheduleRow(
        id=secrets.token_hex(6),
        name=request.name,
        cron=request.cron,
        timezone=request.timezone,
        study=request.study.model_dump(mode="json"),
        enabled=request.enabled,
        next_at=next_after(request.cron, request.timezone, now) if request.enabled else None,
        created_at=now,
    )
    session.add(schedule)
    session.flush()
    return schedule


def change(
    session: Session, schedule_id: str, request: ScheduleChange, *, max_trials: int
) -> ScheduleRow:
    """Change a schedule; a new time to fire at is counted from now.

    Raises:
        NotFoundError: There is no such schedule.
        InvalidRequestError: As for `create`.
    """
    schedule = read(session, schedule_id)
    for field in request.model_fields_set - {"study"}:
        value = getattr(request, field)
        if value is not None:
            setattr(schedule, field, value)
    if request.study is not None:
        _check_study(request.study, max_trials)
        schedule.study = request.study.model_dump(mode="json")
    if request.model_fields_set & {"cron", "timezone", "enabled"}:
        check(schedule.cron, schedule.timezone)
        schedule.next_at = (
            next_after(schedule.cron, schedule.timezone, utcnow()) if schedule.enabled else None
        )
    return schedule


def _check_study(study: StudyRequest | SearchRequest, max_trials: int) -> None:
    try:
        resolve_any(study, max_trials=max_trials)
    except InvalidRequestError as error:
        raise InvalidRequestError(error.detail, field=f"study.{error.field}") from error


def read(session: Session, schedule_id: str) -> ScheduleRow:
    """Return a schedule, or raise `NotFoundError`."""
    found = session.get(ScheduleRow, schedule_id) if schedule_id.isalnum() else None
    if found is None:
        raise NotFoundError(
            f"there is no schedule {schedule_id[:64]!r}; GET /api/v1/schedules lists them"
        )
    return found


def everything(session: Session) -> Sequence[ScheduleRow]:
    """Return all schedules, oldest first."""
    return session.scalars(select(ScheduleRow).order_by(ScheduleRow.created_at)).all()


def firings(session: Session, schedule_id: str, *, limit: int) -> Sequence[FiringRow]:
    """Return a schedule's last firings, newest first. Raises `NotFoundError`."""
    read(session, schedule_id)
    return session.scalars(
        select(FiringRow)
        .where(FiringRow.schedule_id == schedule_id)
        .order_by(FiringRow.due_at.desc())
        .limit(limit)
    ).all()


def any_due(session: Session, now: datetime) -> bool:
    """Tell whether a schedule is due, without locking anything."""
    due = exists().where(ScheduleRow.enabled, ScheduleRow.next_at <= now)
    return bool(session.scalar(select(due)))


def realign(database: Database, now: datetime) -> int:
    """Have schedules fire as they should by this clock, where it leapt back; returns how many.

    What has fired already does not fire again: a firing's time is unique.
    """

    def late(session: Session) -> list[tuple[ScheduleRow, datetime]]:
        enabled = session.scalars(select(ScheduleRow).where(ScheduleRow.enabled))
        following = [(one, next_after(one.cron, one.timezone, now)) for one in enabled]
        return [(one, at) for one, at in following if one.next_at is None or one.next_at > at]

    with database.read() as session:
        if not late(session):
            return 0
    with database.write() as session:
        found = late(session)
        for schedule, at in found:
            schedule.next_at = at
        return len(found)


def fire_due(session: Session, now: datetime, *, max_trials: int) -> list[FiringRow]:
    """Fire every schedule that is due, once each, and set when each fires next.

    Times that were missed while nothing ran (a restart, a leap of the clock) are made up for by
    one firing, not by one each.
    """
    due = session.scalars(
        select(ScheduleRow)
        .where(ScheduleRow.enabled, ScheduleRow.next_at <= now)
        .with_for_update(skip_locked=True)
    ).all()
    fired = []
    for schedule in due:
        assert schedule.next_at is not None  # noqa: S101 - the query says so
        firing = _fire(session, schedule, schedule.next_at, manual=False, max_trials=max_trials)
        if firing is not None:
            fired.append(firing)
        schedule.next_at = next_after(schedule.cron, schedule.timezone, now)
    return fired


def fire_now(session: Session, schedule_id: str, *, max_trials: int) -> FiringRow:
    """Fire a schedule at once, beside the clock. Raises `NotFoundError`."""
    schedule = read(session, schedule_id)
    firing = None
    while firing is None:  # until the microsecond is free
        firing = _fire(session, schedule, utcnow(), manual=True, max_trials=max_trials)
    return firing


def _fire(
    session: Session, schedule: ScheduleRow, due_at: datetime, *, manual: bool, max_trials: int
) -> FiringRow | None:
    """Send a schedule's study; None when it has fired for this time already.

    The unique row comes first: whoever cannot write it leaves the study to the other.
    """
    firing_id = secrets.token_hex(6)
    insert_new(
        session,
        FiringRow,
        [
            {
                "id": firing_id,
                "schedule_id": schedule.id,
                "due_at": due_at,
                "manual": manual,
                "created_at": utcnow(),
            }
        ],
        key=("schedule_id", "due_at"),
    )
    firing = session.get(FiringRow, firing_id)
    if firing is None:
        return None
    try:
        request = ANY_STUDY.validate_python(schedule.study)
        spec = resolve_any(request, max_trials=max_trials)
    except (ServiceError, ValueError) as error:
        # An optimizer or task that has left the catalogue: said in the firing, for all to see.
        firing.error = str(error)
    else:
        firing.study_id = creating.create(session, spec, details_of(request))
    return firing
