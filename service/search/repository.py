"""Points in the database: written under a lease, by the runner alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from service.db import Database, utcnow
from service.db.locks import Alone, alone
from service.db.tables.searches import ImportanceRow, PointRow
from service.db.tables.studies import CurveRow, StudyRow, StudyTrialRow, TrialRow
from service.db.upsert import insert_new
from service.errors import ConflictError
from service.events.repository import HEADER, SUMMARIES, announce, announce_trials
from service.queue import Lease
from service.queue.results import Result, count_ended, store
from service.search.model import TRANSITIONS
from service.search.parts import SEARCH_SUMMARIES, plane
from service.search.planning import MODE, SearchSpec
from service.search.scores import pack, unpack
from service.studies.model import StudyState
from service.studies.repository import row
from service.studies.trial_rows import trial_row
from service.trials import curves
from service.trials.model import KNOWN, TrialState
from workers.contracts import TrialSpec
from workers.search.contracts import (
    LEARNING_RATE,
    WEIGHT_DECAY,
    KnownTrial,
    Past,
    PointState,
    Proposed,
    Weighed,
)
from workers.search.record import TEST, PointRecord


@dataclass(frozen=True)
class Outcome:
    """A point that has ended."""

    label: str
    number: int
    state: PointState
    reason: str | None
    """Why it diverged or failed."""
    record: PointRecord
    seconds: float
    device: str | None
    trials: tuple[TrialSpec, ...]
    """Its trials, in the order of the seeds."""


@dataclass(frozen=True)
class Underway:
    """How far a point has come that is in training."""

    label: str
    number: int
    epochs: int
    value: float
    seconds: float
    device: str


def load_search(session: Session, study_id: str) -> SearchSpec:
    """Return what a search asks for.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It is a grid.
    """
    spec = row(session, study_id).spec
    if spec.get("mode") != MODE:
        raise ConflictError(
            f"study {study_id} is a grid, which has no points: its results are at "
            f"/api/v1/studies/{study_id}/heatmap.json and /api/v1/studies/{study_id}/robustness"
        )
    return SearchSpec.from_json(spec)


def ended_points(session: Session, study_id: str, seeds: int) -> dict[str, tuple[Past, ...]]:
    """Return all points that have ended, by label, in the order in which they did."""
    rows = session.scalars(
        select(PointRow)
        .where(PointRow.study_id == study_id, PointRow.state != PointState.RUNNING)
        .order_by(PointRow.finished_at, PointRow.number)
    )
    found: dict[str, list[Past]] = {}
    for point in rows:
        found.setdefault(point.optimizer, []).append(to_past(point, seeds))
    return {label: tuple(points) for label, points in found.items()}


def to_past(point: PointRow, seeds: int) -> Past:
    """Return what a search is told of a point that has ended."""
    means = unpack(point.scores, seeds).mean(axis=1, dtype="f8") if point.scores else ()
    return Past(
        number=point.number,
        parameters=point.parameters,
        state=point.state,
        value=point.value,
        means=tuple(map(float, means)),
        seconds=point.seconds,
    )


def forget_running(session: Session, lease: Lease) -> None:
    """Forget the points of a process that is gone, so that others are proposed instead."""
    labels = session.scalars(
        delete(PointRow)
        .where(PointRow.study_id == lease.study_id, PointRow.state == PointState.RUNNING)
        .returning(PointRow.optimizer)
    ).all()
    if labels:
        announce(session, lease.study_id, [*HEADER, *map(plane, sorted(set(labels)))])


def open_point(
    database: Database, lease: Lease, point: Proposed, trials: Sequence[TrialSpec]
) -> tuple[KnownTrial, ...] | None:
    """Write a point that is about to be trained; returns its trials' results if all are known.

    Raises:
        LeaseLostError: The study is no longer this runner's.
    """
    with database.write() as session:
        lease.renew(session)
        known = _known(session, [trial.key for trial in trials])
        place = (lease.study_id, point.label, point.number)
        if session.get(PointRow, place) is not None:
            return known  # the answer to a first try was lost with the connection
        session.add(
            PointRow(
                study_id=lease.study_id,
                optimizer=point.label,
                number=point.number,
                parameters=dict(point.parameters),
                learning_rate=point.parameters[LEARNING_RATE],
                weight_decay=point.parameters[WEIGHT_DECAY],
                state=PointState.RUNNING,
                epochs_done=0,
                diverged=0,
                seconds=0.0,
                created_at=utcnow(),
            )
        )
        if known is not None:
            session.execute(
                update(StudyRow)
                .where(StudyRow.id == lease.study_id)
                .values(reused=StudyRow.reused + len(known))
            )
        announce(session, lease.study_id, [*HEADER, plane(point.label)])
        return known


def record(
    database: Database,
    lease: Lease,
    *,
    outcomes: Sequence[Outcome] = (),
    underway: Iterable[Underway] = (),
    seconds_left: float | None = None,
    trained: float = 0.0,
    device: str | None = None,
) -> None:
    """Store points that have ended, how far others have come, and the time left.

    The trials of a point that needs no more training are kept like a grid's.

    Raises:
        LeaseLostError: The study is no longer this runner's; nothing was written.
    """
    with database.write() as session:
        alone(session, Alone.COMPOSE)  # as whoever else adds trials
        lease.renew(session, trained=trained, progress=bool(outcomes))
        lease.estimate(session, seconds_left)
        if device is not None:
            lease.describe(session, device)
        moved = [_advance(session, lease, one) for one in underway]
        stored: list[Result] = []
        for outcome in outcomes:
            _end(session, lease, outcome)
            if outcome.state in (PointState.DONE, PointState.DIVERGED):
                stored += _keep_trials(session, lease, outcome)
        if outcomes:
            count_ended(session, stored)
            planes = sorted({plane(outcome.label) for outcome in outcomes})
            announce(session, lease.study_id, [*SEARCH_SUMMARIES, *planes])
            keys = [result.key for result in stored]
            announce_trials(session, keys, SUMMARIES, besides=lease.study_id)
        elif moved:
            announce(session, lease.study_id, HEADER)


def weigh(database: Database, lease: Lease, told: Weighed) -> None:
    """Store how important the hyperparameters of an optimizer are, in place of what was known.

    Raises:
        LeaseLostError: The study is no longer this runner's; nothing was written.
    """
    with database.write() as session:
        lease.renew(session)
        session.merge(
            ImportanceRow(
                study_id=lease.study_id,
                optimizer=told.label,
                points=told.points,
                shares=[list(share) for share in told.shares],
            )
        )
        session.flush()
        announce(session, lease.study_id, ["importance"])


def weighed(session: Session, study_id: str) -> dict[str, ImportanceRow]:
    """Return how important hyperparameters are, by label, as far as it was told."""
    rows = session.scalars(select(ImportanceRow).where(ImportanceRow.study_id == study_id))
    return {found.optimizer: found for found in rows}


def finish(session: Session, lease: Lease) -> StudyState:
    """End a search of which every optimizer has used up its budget.

    Returns:
        Done, or failed where a point could not be trained.
    """
    reasons = session.scalars(
        select(PointRow.reason)
        .where(PointRow.study_id == lease.study_id, PointRow.state == PointState.FAILED)
        .order_by(PointRow.finished_at, PointRow.optimizer, PointRow.number)
    ).all()
    if not reasons:
        lease.end(session, StudyState.DONE)
        return StudyState.DONE
    noun = "point" if len(reasons) == 1 else "points"
    lease.end(
        session,
        StudyState.FAILED,
        f"{len(reasons)} {noun} could not be trained; the first: {reasons[0]}",
    )
    return StudyState.FAILED


def _known(session: Session, keys: Sequence[str]) -> tuple[KnownTrial, ...] | None:
    rows = session.execute(
        select(TrialRow.key, TrialRow.state, TrialRow.reason, TrialRow.seconds, CurveRow.data)
        .join(CurveRow, CurveRow.trial_key == TrialRow.key)
        .where(TrialRow.key.in_(keys), TrialRow.state.in_(KNOWN))
    ).all()
    found = {
        key: KnownTrial(
            curves=curves.unpack(data),
            diverged=reason if state is TrialState.DIVERGED else None,
            seconds=seconds or 0.0,
        )
        for key, state, reason, seconds, data in rows
    }
    return tuple(found[key] for key in keys) if found.keys() == set(keys) else None


def _point(lease: Lease, label: str, number: int) -> tuple[ColumnElement[bool], ...]:
    return (
        PointRow.study_id == lease.study_id,
        PointRow.optimizer == label,
        PointRow.number == number,
        PointRow.state == PointState.RUNNING,
    )


def _advance(session: Session, lease: Lease, one: Underway) -> Underway:
    session.execute(
        update(PointRow)
        .where(*_point(lease, one.label, one.number))
        .values(epochs_done=one.epochs, value=one.value, seconds=one.seconds, device=one.device)
    )
    return one


def _end(session: Session, lease: Lease, outcome: Outcome) -> None:
    assert outcome.state in TRANSITIONS[PointState.RUNNING]  # noqa: S101 - a mistake of ours
    record = outcome.record
    done = outcome.state is PointState.DONE
    session.execute(
        update(PointRow)
        .where(*_point(lease, outcome.label, outcome.number))
        .values(
            state=outcome.state,
            reason=outcome.reason,
            value=record.value() if record.epochs else None,
            test_value=record.value(TEST) if done else None,
            epochs_done=record.epochs,
            scores=pack(record.scores()) if record.epochs else None,
            diverged=len(record.diverged),
            seconds=outcome.seconds,
            device=outcome.device,
            finished_at=utcnow(),
        )
    )


def _keep_trials(session: Session, lease: Lease, outcome: Outcome) -> list[Result]:
    """Keep a point's trials, so that no grid trains them again; returns those that are new.

    What another study trains at this moment is left to it.
    """
    now = utcnow()
    keyed = {trial.key: (position, trial) for position, trial in enumerate(outcome.trials)}
    insert_new(session, TrialRow, (trial_row(t, key, now) for key, (_, t) in keyed.items()))
    session.execute(
        update(TrialRow)
        .where(TrialRow.key.in_(keyed), TrialRow.state == TrialState.PENDING)
        .values(state=TrialState.RUNNING, claimed_by=lease.token)
    )
    kept = store(
        session,
        lease,
        [
            Result(
                key=key,
                label=outcome.label,
                curves=outcome.record.curves(position),
                diverged=outcome.record.diverged.get(position),
                seconds=outcome.seconds / len(keyed),
                device=outcome.device or "",
            )
            for key, (position, _) in keyed.items()
        ],
    )
    _add_to_study(session, lease.study_id, list(keyed))
    return kept


def _add_to_study(session: Session, study_id: str, keys: Sequence[str]) -> None:
    """Put those of the trials that have a result behind those that the study has."""
    known = set(
        session.scalars(
            select(TrialRow.key).where(TrialRow.key.in_(keys), TrialRow.state.in_(KNOWN))
        )
    )
    of_study = StudyTrialRow.study_id == study_id
    present = set(
        session.scalars(
            select(StudyTrialRow.trial_key).where(of_study, StudyTrialRow.trial_key.in_(keys))
        )
    )
    last = session.scalar(select(func.max(StudyTrialRow.position)).where(of_study))
    following = 0 if last is None else last + 1
    insert_new(
        session,
        StudyTrialRow,
        [
            {"study_id": study_id, "trial_key": key, "position": following + place}
            for place, key in enumerate(key for key in keys if key in known - present)
        ],
    )
