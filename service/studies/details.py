"""What is said about a study besides what it trains: tags, note, priority, limits, owner."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.tables.studies import StudyRow, TagRow
from service.db.upsert import insert_new
from service.studies.model import Details, Limits
from service.studies.schemas import LimitsChoice, StudyBase


def limits_chosen(limits: LimitsChoice) -> Limits:
    """Return the limits that a request sets."""
    return Limits(limits.running_seconds, limits.training_seconds)


def details_of(request: StudyBase, owner_id: str | None = None) -> Details:
    """Return what a request says besides what is to be trained.

    Args:
        request: The study.
        owner_id: The key it was sent with, if any.
    """
    return Details(
        tags=request.tags,
        note=request.note,
        priority=request.priority,
        limits=limits_chosen(request.limits),
        owner_id=owner_id,
    )


def read_details(session: Session, study: StudyRow) -> Details:
    """Return what is said about a study."""
    return Details(
        tags=tags_of(session, [study.id])[study.id],
        note=study.note,
        priority=study.priority,
        limits=limits_of(study),
        owner_id=study.owner_id,
    )


def limits_of(study: StudyRow) -> Limits:
    """Return a study's limits."""
    return Limits(study.time_limit, study.training_limit)


def tags_of(session: Session, study_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the tags of studies, sorted; every id is there."""
    found: dict[str, list[str]] = {study_id: [] for study_id in study_ids}
    query = select(TagRow.study_id, TagRow.tag).where(TagRow.study_id.in_(study_ids))
    for study_id, tag in session.execute(query):
        found[study_id].append(tag)
    return {study_id: tuple(sorted(tags)) for study_id, tags in found.items()}


def columns(details: Details) -> dict[str, Any]:
    """Return what a new study's row says of it; the tags are rows of their own."""
    return {
        "owner_id": details.owner_id,
        "note": details.note,
        "priority": details.priority,
        "time_limit": details.limits.running_seconds,
        "training_limit": details.limits.training_seconds,
    }


def add_tags(session: Session, study_id: str, tags: Sequence[str]) -> None:
    """Write tags of a study; those that it has stay."""
    insert_new(session, TagRow, [{"study_id": study_id, "tag": tag} for tag in tags])


def version(*, name: str, tags: Sequence[str], note: str, priority: int, limits: Limits) -> str:
    """Return an entity tag of all that people may change in a study.

    How far it has come is no part of it: who changes a note does not want to race with training.
    """
    said = json.dumps([name, list(tags), note, priority, asdict(limits)])
    return f'"{hashlib.sha256(said.encode()).hexdigest()[:16]}"'
