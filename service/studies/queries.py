"""Reading studies: one set of queries for the API, the pages and the command line."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from service.db.tables import StudyRow, StudyTrialRow, TrialRow
from service.errors import InvalidRequestError
from service.search.queries import search_summaries, searched
from service.studies.eta import eta
from service.studies.model import StudyPage, StudyState, StudySummary
from service.studies.planning import StudySpec, changed
from service.studies.repository import row
from service.trials.model import TrialState

LONGEST_CURSOR = 200


@dataclass
class _Counts:
    by_state: dict[TrialState, int]
    epochs_running: int = 0

    def of(self, state: TrialState) -> int:
        return self.by_state.get(state, 0)


def summary(session: Session, study_id: str) -> StudySummary:
    """Return one study, or raise `NotFoundError`."""
    return _summaries(session, [row(session, study_id)])[0]


def page(
    session: Session, *, state: StudyState | None = None, cursor: str | None = None, limit: int = 50
) -> StudyPage:
    """Return studies, newest first.

    Args:
        session: Where to read.
        state: Only those in this state.
        cursor: `next_cursor` of the page before.
        limit: Studies on a page.

    Raises:
        InvalidRequestError: The cursor is none of ours.
    """
    query = select(StudyRow).order_by(StudyRow.created_at.desc(), StudyRow.id.desc())
    if state is not None:
        query = query.where(StudyRow.state == state)
    if cursor is not None:
        query = query.where(_before(cursor))
    rows = session.scalars(query.limit(limit + 1)).all()
    shown = rows[:limit]
    more = len(rows) > limit
    return StudyPage(
        tuple(_summaries(session, shown)),
        _encode(shown[-1].created_at, shown[-1].id) if more else None,
    )


def _encode(created_at: datetime, study_id: str) -> str:
    return base64.urlsafe_b64encode(
        json.dumps([created_at.isoformat(), study_id]).encode()
    ).decode()


def _before(cursor: str) -> ColumnElement[bool]:
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError
        moment, study_id = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        created_at = datetime.fromisoformat(moment).astimezone(UTC)
        if not (isinstance(study_id, str) and study_id.isalnum()):
            raise ValueError
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise InvalidRequestError(
            f"cursor {cursor[:80]!r} is not one of this service's; leave it out to start anew",
            field="cursor",
        ) from error
    return or_(
        StudyRow.created_at < created_at,
        and_(StudyRow.created_at == created_at, StudyRow.id < study_id),
    )


def _summaries(session: Session, rows: Sequence[StudyRow]) -> list[StudySummary]:
    searches = search_summaries(session, [study for study in rows if searched(study)])
    counts = _counts(session, [study.id for study in rows])
    return [searches.get(study.id) or _summary(study, counts[study.id]) for study in rows]


def _counts(session: Session, ids: Sequence[str]) -> dict[str, _Counts]:
    found = {study_id: _Counts({}) for study_id in ids}
    query = (
        select(StudyTrialRow.study_id, TrialRow.state, func.count(), func.sum(TrialRow.epochs_done))
        .join(TrialRow, TrialRow.key == StudyTrialRow.trial_key)
        .where(StudyTrialRow.study_id.in_(ids))
        .group_by(StudyTrialRow.study_id, TrialRow.state)
    )
    for study_id, state, count, epochs in session.execute(query):
        found[study_id].by_state[state] = count
        if state is TrialState.RUNNING:
            found[study_id].epochs_running = epochs
    return found


def _summary(study: StudyRow, counts: _Counts) -> StudySummary:
    spec = StudySpec.from_json(study.spec)
    ended = sum(counts.of(s) for s in (TrialState.DONE, TrialState.DIVERGED, TrialState.FAILED))
    epochs = ended * spec.budget.epochs + counts.epochs_running
    progress = epochs / (spec.trial_count * spec.budget.epochs)
    return StudySummary(
        id=study.id,
        name=study.name,
        task=study.task,
        optimizers=tuple(variant.label for variant in spec.variants),
        learning_rates=spec.learning_rates,
        weight_decays=spec.weight_decays,
        seeds=spec.seeds,
        epochs=spec.budget.epochs,
        state=study.state,
        error=study.error,
        created_at=study.created_at,
        started_at=study.started_at,
        finished_at=study.finished_at,
        trials=spec.trial_count,
        finished=counts.of(TrialState.DONE) + counts.of(TrialState.DIVERGED),
        diverged=counts.of(TrialState.DIVERGED),
        failed=counts.of(TrialState.FAILED),
        running=counts.of(TrialState.RUNNING),
        reused=study.reused,
        progress=progress,
        eta_seconds=eta(study),
        device=study.device,
        budget=spec.budget,
        hyperparameters={variant.label: changed(variant) for variant in spec.variants},
    )
