"""Writing what training brings, under a lease. Every function is one transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from service.db import Database, utcnow
from service.db.counters import count as count_up
from service.db.tables.studies import CurveRow, StudyTrialRow, TrialRow
from service.db.upsert import insert_new
from service.events.repository import HEADER, SUMMARIES, announce, announce_trials, panel
from service.queue.lease import Lease
from service.trials import curves
from service.trials.model import TRANSITIONS, TrialState, counter_of
from workers.contracts import CURVES


@dataclass(frozen=True)
class Result:
    """A trial's outcome."""

    key: str
    label: str
    """Of its optimizer in the study, so that the right panel is redrawn."""
    curves: npt.NDArray[np.float32]
    """(epochs trained, len(CURVES))."""
    diverged: str | None
    """Why it counts as diverged; None when it does not."""
    seconds: float
    device: str

    @property
    def state(self) -> TrialState:
        """What it makes of its trial."""
        return TrialState.DONE if self.diverged is None else TrialState.DIVERGED


def missing(session: Session, study_id: str) -> list[str]:
    """Return the keys of a study's pending trials, in the order to train them."""
    return list(
        session.scalars(
            select(TrialRow.key)
            .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
            .where(StudyTrialRow.study_id == study_id, TrialRow.state == TrialState.PENDING)
            # The sum keeps databases from reading them in an order in which they do not lie.
            .order_by(StudyTrialRow.position + 0)
        )
    )


def claim_trials(
    database: Database, lease: Lease, keys: Sequence[str], labels: Iterable[str]
) -> set[str]:
    """Take pending trials for training; returns those that no other study was quicker to take.

    Taking the same again gives the same.
    """
    with database.write() as session:
        lease.renew(session)
        taken = session.scalars(
            update(TrialRow)
            .where(
                TrialRow.key.in_(keys),
                # Its own again: where the answer to a first try was lost with the connection.
                or_(TrialRow.state == TrialState.PENDING, TrialRow.claimed_by == lease.token),
            )
            .values(state=TrialState.RUNNING, claimed_by=lease.token, epochs_done=0)
            .returning(TrialRow.key)
        ).all()
        announce(session, lease.study_id, [*HEADER, *map(panel, sorted(set(labels)))])
        announce_trials(session, taken, HEADER, besides=lease.study_id)
        return set(taken)


def record(
    database: Database,
    lease: Lease,
    *,
    results: Sequence[Result] = (),
    progress: Mapping[str, int] | None = None,
    seconds_left: float | None = None,
    trained: float = 0.0,
    device: str | None = None,
    kept: bool = False,
) -> None:
    """Store finished trials with their curves, how far others have come, and the time left.

    Args:
        database: Where they are stored.
        lease: On the study.
        results: Finished trials.
        progress: Key to epochs of trials in training.
        seconds_left: Estimate for the study; None while that cannot be told.
        trained: Seconds of workers since they were last counted.
        device: What it trains on, where that has changed.
        kept: Whether a checkpoint was kept, from which another runner would go on.

    Raises:
        LeaseLostError: The study is no longer this runner's; nothing was written.
    """
    with database.write() as session:
        lease.renew(session, trained=trained, progress=kept or bool(results))
        lease.estimate(session, seconds_left)
        if device is not None:
            lease.describe(session, device)
        if progress:
            _advance(session, lease, progress)
        if results:
            results = store(session, lease, results)
            count_ended(session, results)
            labels = sorted({result.label for result in results})
            announce(session, lease.study_id, [*SUMMARIES, *map(panel, labels)])
            keys = [result.key for result in results]
            announce_trials(session, keys, SUMMARIES, besides=lease.study_id)
        elif progress:
            announce(session, lease.study_id, HEADER)


def give_up(database: Database, lease: Lease, reasons: Mapping[str, str]) -> None:
    """Mark claimed trials as failed: key to reason."""
    with database.write() as session:
        lease.renew(session)
        failed = sum(
            _leave_running(session, lease, [key], TrialState.FAILED, reason=reason)
            for key, reason in reasons.items()
        )
        _count(session, {TrialState.FAILED: failed})
        announce_trials(session, list(reasons), SUMMARIES)


def put_back(database: Database, lease: Lease, keys: Sequence[str]) -> None:
    """Put claimed trials back that are to be tried in another way."""
    with database.write() as session:
        lease.renew(session)
        _leave_running(session, lease, keys, TrialState.PENDING, epochs_done=0)
        announce_trials(session, keys, SUMMARIES)


def lost(database: Database, lease: Lease, keys: Sequence[str], reason: str, limit: int) -> None:
    """Put trials back whose worker died; those that lost `limit` workers have failed."""
    with database.write() as session:
        lease.renew(session)
        mine = (
            TrialRow.key.in_(keys),
            TrialRow.state == TrialState.RUNNING,
            TrialRow.claimed_by == lease.token,
        )
        session.execute(
            update(TrialRow).where(*mine).values(attempts=TrialRow.attempts + 1, last_loss=reason)
        )
        failed = session.scalars(
            update(TrialRow)
            .where(*mine, TrialRow.attempts >= limit)
            .values(
                state=TrialState.FAILED,
                claimed_by=None,
                reason=f"given up after {limit} lost workers; the last: {reason}",
            )
            .returning(TrialRow.key)
        ).all()
        _leave_running(session, lease, keys, TrialState.PENDING, epochs_done=0)
        _count(session, {TrialState.FAILED: len(failed)})
        announce_trials(session, keys, SUMMARIES)


def _leave_running(
    session: Session, lease: Lease, keys: Sequence[str], state: TrialState, **values: object
) -> int:
    """Move trials that the lease claims on; returns how many that were."""
    assert state in TRANSITIONS[TrialState.RUNNING]  # noqa: S101 - a mistake of ours
    moved = session.scalars(
        update(TrialRow)
        .where(
            TrialRow.key.in_(keys),
            TrialRow.state == TrialState.RUNNING,
            TrialRow.claimed_by == lease.token,
        )
        .values(state=state, claimed_by=None, **values)
        .returning(TrialRow.key)
    ).all()
    return len(moved)


def count_ended(session: Session, results: Sequence[Result]) -> None:
    """Count trials that ended, for metrics.

    To be called once a transaction, after all that it changes and before it announces that: whoever
    counts the same waits for its commit.
    """
    _count(session, Counter(result.state for result in results))


def _count(session: Session, ended: Mapping[TrialState, int]) -> None:
    for state in sorted(ended):  # always in the same order, so that no two wait for each other
        if ended[state]:
            count_up(session, counter_of(state), ended[state])


def _advance(session: Session, lease: Lease, progress: Mapping[str, int]) -> None:
    by_epoch: dict[int, list[str]] = {}
    for key, epoch in progress.items():
        by_epoch.setdefault(epoch, []).append(key)
    for epoch, keys in by_epoch.items():
        session.execute(
            update(TrialRow)
            .where(TrialRow.key.in_(keys), TrialRow.claimed_by == lease.token)
            .values(epochs_done=epoch)
        )


def store(session: Session, lease: Lease, results: Sequence[Result]) -> list[Result]:
    """Write outcomes of trials that this lease still claims; returns those.

    Others were given to another study while this runner was silent, and may have its result.
    """
    claimed = set(
        session.scalars(
            select(TrialRow.key)
            .where(
                TrialRow.key.in_([result.key for result in results]),
                TrialRow.state == TrialState.RUNNING,
                TrialRow.claimed_by == lease.token,
            )
            .with_for_update(key_share=True)
        )
    )
    results = [result for result in results if result.key in claimed]
    if not results:
        return []
    statement = (
        # The table and not the class: the ORM would refuse a WHERE on many rows' bound keys.
        update(TrialRow.__table__)  # type: ignore[arg-type]
        .where(TrialRow.key == bindparam("the_key"))
        .values({column: bindparam(f"new_{column}") for column in _outcome(results[0])})
    )
    session.connection().execute(
        statement,
        [
            {"the_key": result.key}
            | {f"new_{column}": value for column, value in _outcome(result).items()}
            for result in results
        ],
    )
    insert_new(
        session,
        CurveRow,
        (
            {
                "trial_key": result.key,
                "epochs": len(result.curves),
                "data": curves.pack(result.curves),
            }
            for result in results
        ),
    )
    return results


def _outcome(result: Result) -> dict[str, object]:
    last: dict[str, float | None] = dict.fromkeys(CURVES)
    if result.diverged is None:
        last.update(zip(CURVES, map(float, result.curves[-1]), strict=True))
    return {
        "state": result.state,
        "claimed_by": None,
        "reason": result.diverged,
        "epochs_done": len(result.curves),
        "seconds": result.seconds,
        "device": result.device,
        "finished_at": utcnow(),
        **last,
    }
