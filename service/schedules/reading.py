"""Schedules, firings and regressions as pages show them."""

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from service.db.tables.schedules import FiringRow, ScheduleRow
from service.db.tables.studies import StudyRow
from service.schedules.model import FiringView, Regression, ScheduleView, SentView
from service.schedules.repository import everything
from service.search.schemas import ANY_STUDY
from service.studies.model import StudyState

SENT = 20
"""Studies of a schedule that its trend shows."""


def views(session: Session) -> tuple[ScheduleView, ...]:
    """Return all schedules, oldest first, each with its last firing and its last regression."""
    return tuple(_view(session, schedule) for schedule in everything(session))


def regression_of(session: Session, study_id: str) -> Regression | None:
    """Return what came out worse in a study that a schedule sent; None where nothing did."""
    found = session.scalars(
        select(FiringRow.regression)
        .where(FiringRow.study_id == study_id, FiringRow.regression.is_not(None))
        .limit(1)
    ).first()
    if found is None:
        return None
    told = Regression.from_json(found)
    there = session.scalar(select(StudyRow.id).where(StudyRow.id == told.before_id))
    return replace(told, before_id=there)


def _view(session: Session, schedule: ScheduleRow) -> ScheduleView:
    study = ANY_STUDY.validate_python(schedule.study)
    return ScheduleView(
        id=schedule.id,
        name=schedule.name,
        cron=schedule.cron,
        timezone=schedule.timezone,
        enabled=schedule.enabled,
        next_at=schedule.next_at,
        task=study.task,
        optimizers=tuple(choice.shown_as for choice in study.optimizers),
        last=_newest(session, schedule.id),
        worse=_newest(
            session, schedule.id, FiringRow.regression.is_not(None), StudyRow.id.is_not(None)
        ),
        sent=_sent(session, schedule.id),
    )


def _sent(session: Session, schedule_id: str) -> tuple[SentView, ...]:
    rows = session.execute(
        select(FiringRow.due_at, StudyRow.id, FiringRow.regression)
        .join(StudyRow, StudyRow.id == FiringRow.study_id)
        .where(FiringRow.schedule_id == schedule_id, StudyRow.state == StudyState.DONE)
        .order_by(FiringRow.due_at.desc())
        .limit(SENT)
    ).all()
    return tuple(
        SentView(due_at, study_id, _labels(regression))
        for due_at, study_id, regression in reversed(rows)
    )


def _labels(regression: dict[str, Any] | None) -> tuple[str, ...]:
    if regression is None:
        return ()
    return tuple(one.optimizer for one in Regression.from_json(regression).optimizers)


def _newest(
    session: Session, schedule_id: str, *conditions: ColumnElement[bool]
) -> FiringView | None:
    """Return a schedule's last firing of which some conditions hold."""
    found = session.execute(
        select(FiringRow, StudyRow)
        .outerjoin(StudyRow, StudyRow.id == FiringRow.study_id)
        .where(FiringRow.schedule_id == schedule_id, *conditions)
        .order_by(FiringRow.due_at.desc())
        .limit(1)
    ).first()
    if found is None:
        return None
    firing, study = found
    return FiringView(
        due_at=firing.due_at,
        study_id=firing.study_id,
        study_name=None if study is None else study.name,
        study_state=None if study is None else study.state,
        error=firing.error,
        regression=None if firing.regression is None else Regression.from_json(firing.regression),
    )
