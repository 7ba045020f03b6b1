"""Whether what the database holds makes sense, beyond what its constraints say."""

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, delete, exists, func, select, text, update
from sqlalchemy.orm import Session

from service.db import schema
from service.db.engine import Database
from service.db.tables.searches import PointRow
from service.db.tables.studies import CurveRow, StudyRow, StudyTrialRow, TrialRow
from service.search.planning import MODE
from service.studies.model import StudyState
from service.studies.planning import StudySpec, budget_from_json
from service.trials import curves
from service.trials.model import KNOWN, TrialState
from workers.contracts import ENGINE_VERSION, TrialSpec
from workers.search.contracts import PointState

ROWS = 2000
EXAMPLES = 5
"""Wrong rows that are named."""

Progress = Callable[[str, int, int], None]
"""Told what is looked at: the name, how much of it, and of how much."""


@dataclass(frozen=True)
class Finding:
    """What came of one check."""

    name: str
    """What should hold."""
    wrong: int = 0
    """How often it does not."""
    examples: tuple[str, ...] = ()
    repair: Callable[[Session], int] | None = None
    """Mends all that is wrong, without losing anything that can be read; None where people must."""
    advice: str = ""
    """What to do where there is no repair."""

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return self.wrong == 0


def silent(_: str, __: int, ___: int) -> None:
    """Tell nobody of progress."""


def check(database: Database, progress: Progress = silent) -> Iterator[Finding]:
    """Look at everything; yields each finding as it is found. Takes a while on a large database."""
    missing = schema.pending(database)
    yield Finding(
        "the tables are current", len(missing), tuple(missing), advice="run `lpwd db upgrade`"
    )
    if missing:
        return
    with database.read() as session:
        if database.sqlite:
            yield from _of_the_file(session)
        for look in (_claims, _unwanted, _points, _ended):
            yield look(session)
        for slow in (_grids, _keys, _curves):
            yield slow(session, progress)


def repair(database: Database, finding: Finding) -> int:
    """Mend what is wrong, in one transaction; returns how much was."""
    if finding.repair is None:
        return 0
    with database.write() as session:
        return finding.repair(session)


def _of_the_file(session: Session) -> Iterator[Finding]:
    said = [row[0] for row in session.execute(text("PRAGMA integrity_check(100)"))]
    wrong = [] if said == ["ok"] else said
    advice = "restore the last backup"
    yield Finding("the file is whole", len(wrong), tuple(wrong[:EXAMPLES]), advice=advice)
    loose = [
        f"{table}, row {row}"
        for table, row, *_ in session.execute(text("PRAGMA foreign_key_check"))
    ]
    yield Finding(
        "what is referred to is there", len(loose), tuple(loose[:EXAMPLES]), advice=advice
    )


def _found(session: Session, name: str, query: Select[Any], **more: Any) -> Finding:
    """Count the rows of a query, and name some."""
    wrong = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    examples = tuple(map(str, session.scalars(query.limit(EXAMPLES)))) if wrong else ()
    return Finding(name, wrong, examples, **more)


def _claims(session: Session) -> Finding:
    held = exists().where(StudyRow.lease_token == TrialRow.claimed_by)
    loose = (TrialRow.state == TrialState.RUNNING, ~held)

    def mend(session: Session) -> int:
        released = session.execute(
            update(TrialRow)
            .where(*loose)
            .values(state=TrialState.PENDING, claimed_by=None, epochs_done=0)
            .returning(TrialRow.key)
        )
        return len(released.all())

    return _found(
        session,
        "running trials belong to a study that a runner holds",
        select(TrialRow.key).where(*loose),
        repair=mend,
    )


def _unwanted(session: Session) -> Finding:
    wanted = exists().where(StudyTrialRow.trial_key == TrialRow.key)
    idle = (TrialRow.state.in_([TrialState.PENDING, TrialState.FAILED]), ~wanted)

    def mend(session: Session) -> int:
        return len(session.execute(delete(TrialRow).where(*idle).returning(TrialRow.key)).all())

    return _found(
        session,
        "trials without a result belong to a study",
        select(TrialRow.key).where(*idle),
        repair=mend,
    )


def _points(session: Session) -> Finding:
    running = select(StudyRow.id).where(StudyRow.state == StudyState.RUNNING)
    left = (PointRow.state == PointState.RUNNING, PointRow.study_id.not_in(running))

    def mend(session: Session) -> int:
        gone = session.execute(delete(PointRow).where(*left).returning(PointRow.number))
        return len(gone.all())

    return _found(
        session,
        "running points belong to a running search",
        select(PointRow.study_id).where(*left),
        repair=mend,
    )


def _ended(session: Session) -> Finding:
    open_ = (
        exists()
        .where(StudyTrialRow.study_id == StudyRow.id)
        .where(TrialRow.key == StudyTrialRow.trial_key)
        .where(TrialRow.state.not_in(KNOWN))
    )
    return _found(
        session,
        "studies that are done have a result of every trial",
        select(StudyRow.id).where(StudyRow.state == StudyState.DONE, open_),
        advice="retry them: `lpwd study retry ID`",
    )


def _grids(session: Session, progress: Progress) -> Finding:
    """Compare a study's trials in number with what it asks for."""
    name = "studies have as many trials as they ask for"
    counted = select(StudyTrialRow.study_id, func.count()).group_by(StudyTrialRow.study_id)
    has = {study_id: trials for study_id, trials in session.execute(counted)}  # noqa: C416 - rows
    wrong = []
    for study_id, spec in _stream(session, select(StudyRow.id, StudyRow.spec), name, progress):
        if spec.get("mode") == MODE:
            continue
        wants = StudySpec.from_json(spec).trial_count
        if wants != has.get(study_id, 0):
            wrong.append(f"{study_id} ({has.get(study_id, 0)} of {wants})")
    return Finding(
        name, len(wrong), tuple(wrong[:EXAMPLES]), advice="send them again, and delete these"
    )


def _keys(session: Session, progress: Progress) -> Finding:
    """Compare names of trials with the hash of what they name; older engines hashed otherwise."""
    name = "trials are named by the hash of what determines them"
    query = select(
        TrialRow.key,
        TrialRow.task,
        TrialRow.task_version,
        TrialRow.optimizer,
        TrialRow.optimizer_version,
        TrialRow.learning_rate,
        TrialRow.weight_decay,
        TrialRow.seed,
        TrialRow.epochs,
        TrialRow.batch_size,
        TrialRow.schedule,
        TrialRow.numerics,
        TrialRow.hyperparameters,
    ).where(TrialRow.engine_version == ENGINE_VERSION)
    wrong = [
        key for key, *rest in _stream(session, query, name, progress) if _spec_of(*rest).key != key
    ]
    advice = "somebody changed them: restore a backup, or delete their studies"
    return Finding(name, len(wrong), tuple(wrong[:EXAMPLES]), advice=advice)


def _spec_of(
    task: str,
    task_version: int,
    optimizer: str,
    optimizer_version: int,
    learning_rate: float,
    weight_decay: float,
    seed: int,
    epochs: int,
    batch_size: int,
    schedule: str,
    numerics: Mapping[str, Any],
    hyperparameters: Mapping[str, Any],
) -> TrialSpec:
    budget = {
        "epochs": epochs,
        "batch_size": batch_size,
        "schedule": schedule,
        "numerics": numerics,
    }
    return TrialSpec(
        task=task,
        task_version=task_version,
        optimizer=optimizer,
        optimizer_version=optimizer_version,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        seed=seed,
        budget=budget_from_json(budget),
        hyperparameters=hyperparameters,
    )


def _curves(session: Session, progress: Progress) -> Finding:
    name = "curves can be read, and are as long as they say"
    query = select(CurveRow.trial_key, CurveRow.epochs, CurveRow.data)
    wrong = [
        key
        for key, epochs, data in _stream(session, query, name, progress)
        if not _readable(data, epochs)
    ]

    def mend(session: Session) -> int:
        for first in range(0, len(wrong), ROWS):
            chunk = wrong[first : first + ROWS]
            session.execute(delete(CurveRow).where(CurveRow.trial_key.in_(chunk)))
        return len(wrong)

    return replace(Finding(name, len(wrong), tuple(wrong[:EXAMPLES])), repair=mend)


def _readable(data: bytes, epochs: int) -> bool:
    try:
        return len(curves.unpack(data)) == epochs
    except (zlib.error, ValueError):
        return False


def _stream(
    session: Session, query: Any, name: str, progress: Progress
) -> Iterator[tuple[Any, ...]]:
    """Yield rows, a few in memory at a time."""
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    done = 0
    result = session.connection().execution_options(yield_per=ROWS).execute(query)
    for rows in result.partitions():
        yield from rows
        done += len(rows)
        progress(name, done, total)
