"""Reading studies: one set of queries for the API, the pages and the command line."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.tables.keys import KeyRow
from service.db.tables.studies import StudyRow
from service.runners.repository import everyone
from service.search.queries import search_summaries, searched
from service.studies.counts import Counts, counts_of
from service.studies.details import limits_of, tags_of
from service.studies.eta import eta
from service.studies.filters import after, conditions, cursor_after, ordering
from service.studies.model import StudyFilter, StudyPage, StudyState, StudySummary, Used
from service.studies.planning import StudySpec, changed
from service.studies.repository import row
from service.trials.model import TrialState

EVERYTHING = StudyFilter()
MEASURING = "measuring how many trials train quickest together"


def summary(session: Session, study_id: str) -> StudySummary:
    """Return one study, or raise `NotFoundError`."""
    return _summaries(session, [row(session, study_id)])[0]


def page(
    session: Session,
    wanted: StudyFilter = EVERYTHING,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> StudyPage:
    """Return some of the studies that a filter finds.

    Args:
        session: Where to read.
        wanted: Which studies, and in which order.
        cursor: `next_cursor` of the page before.
        limit: Studies on a page.

    Raises:
        InvalidRequestError: The cursor is none of ours.
    """
    sqlite = session.get_bind().dialect.name == "sqlite"
    query = select(StudyRow).where(*conditions(wanted, sqlite=sqlite))
    if cursor is not None:
        query = query.where(after(cursor, wanted.order))
    rows = session.scalars(query.order_by(*ordering(wanted.order)).limit(limit + 1)).all()
    shown = rows[:limit]
    more = len(rows) > limit
    return StudyPage(
        tuple(_summaries(session, shown)),
        cursor_after(shown[-1], wanted.order) if more else None,
    )


def _summaries(session: Session, rows: Sequence[StudyRow]) -> list[StudySummary]:
    searches = search_summaries(session, [study for study in rows if searched(study)])
    counts = counts_of(session, rows)
    found = [searches.get(study.id) or _summary(study, counts[study.id]) for study in rows]
    tags = tags_of(session, [study.id for study in rows])
    owners = _owners(session, rows)
    measured = _measured(session, rows)
    return [
        replace(
            summary,
            owner=owners.get(study.owner_id),
            tags=tags[study.id],
            note=study.note,
            priority=study.priority,
            limits=limits_of(study),
            used=Used(study.seconds_running, study.seconds_trained),
            last_loss=study.last_loss,
            activity=MEASURING if study.id in measured else None,
        )
        for study, summary in zip(rows, found, strict=True)
    ]


def _owners(session: Session, rows: Sequence[StudyRow]) -> dict[str | None, str]:
    """Return the names of the keys that studies were sent with."""
    ids = {study.owner_id for study in rows if study.owner_id is not None}
    if not ids:
        return {}
    names = select(KeyRow.id, KeyRow.name).where(KeyRow.id.in_(ids))
    return {found.id: found.name for found in session.execute(names)}


def _measured(session: Session, rows: Sequence[StudyRow]) -> set[str | None]:
    """Return the studies of which a device measures trials."""
    if not any(study.state is StudyState.RUNNING for study in rows):
        return set()
    return {
        runner.study_id
        for runner in everyone(session)
        if runner.up and any(device.measuring for device in runner.devices)
    }


def _summary(study: StudyRow, counts: Counts) -> StudySummary:
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
        imported_at=study.imported_at,
        origin=study.origin,
        budget=spec.budget,
        hyperparameters={
            one.label: changed(one.name, one.hyperparameters) for one in spec.variants
        },
    )
