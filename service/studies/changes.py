"""Changing what is said about a study. Nothing here touches what it trains."""

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from service.db.tables.studies import StudyRow, TagRow
from service.errors import ConflictError, PreconditionFailedError
from service.events.repository import HEADER, announce
from service.studies.action_schemas import StudyChange
from service.studies.details import add_tags, limits_chosen, read_details, version
from service.studies.fields import MAX_TAGS
from service.studies.repository import locked


def change(session: Session, study_id: str, wanted: StudyChange, if_match: str | None) -> None:
    """Change name, tags, note, priority or limits; what is left out stays.

    Args:
        session: Where.
        study_id: The study.
        wanted: What to change.
        if_match: `If-Match` of the request: entity tags, one of which must be the present one.

    Raises:
        NotFoundError: There is no such study.
        PreconditionFailedError: It was changed since.
    """
    study = locked(session, study_id)
    _check_version(session, study, if_match)
    if wanted.name is not None:
        study.name = wanted.name
        study.spec = {**study.spec, "name": wanted.name}
    if wanted.note is not None:
        study.note = wanted.note
    if wanted.priority is not None:
        study.priority = wanted.priority
    if wanted.limits is not None:
        limits = limits_chosen(wanted.limits)
        study.time_limit, study.training_limit = limits.running_seconds, limits.training_seconds
    if wanted.tags is not None:
        session.execute(delete(TagRow).where(TagRow.study_id == study_id))
        add_tags(session, study_id, wanted.tags)
    session.flush()
    announce(session, study_id, HEADER)


def add_tag(session: Session, study_id: str, tag: str) -> None:
    """Tag a study; a tag that it has stays.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It has as many as a study may have.
    """
    locked(session, study_id)
    add_tags(session, study_id, [tag])
    count = select(func.count()).select_from(TagRow).where(TagRow.study_id == study_id)
    if (session.scalar(count) or 0) > MAX_TAGS:
        raise ConflictError(f"study {study_id} has {MAX_TAGS} tags already; remove one first")
    announce(session, study_id, HEADER)


def remove_tag(session: Session, study_id: str, tag: str) -> None:
    """Take a tag from a study; one that it does not have is no error. Raises `NotFoundError`."""
    locked(session, study_id)
    session.execute(delete(TagRow).where(TagRow.study_id == study_id, TagRow.tag == tag))
    announce(session, study_id, HEADER)


def _check_version(session: Session, study: StudyRow, if_match: str | None) -> None:
    if if_match is None or if_match.strip() == "*":
        return
    details = read_details(session, study)
    present = version(
        name=study.name,
        tags=details.tags,
        note=details.note,
        priority=details.priority,
        limits=details.limits,
    )
    if present not in (one.strip() for one in if_match.split(",")):
        raise PreconditionFailedError(
            f"study {study.id} is {present} by now, and not {if_match[:80]}: somebody changed it; "
            "read it again, and send the change with the new ETag"
        )
