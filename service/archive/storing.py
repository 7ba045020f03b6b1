"""Writing what an archive holds into the database: all of it, or nothing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.archive.checks import check
from service.archive.model import TrialRecord
from service.archive.reading import Archive, read
from service.db import Database, utcnow
from service.db.locks import Alone, alone
from service.db.tables.searches import ImportanceRow, PointRow
from service.db.tables.studies import CurveRow, StudyRow, StudyTrialRow, TagRow, TrialRow
from service.db.trouble import deadlocked
from service.db.upsert import insert_new
from service.errors import ConflictError
from service.events.repository import HEADER, SUMMARIES, announce, announce_trials
from service.studies.model import StudyState
from service.trials.model import KNOWN
from workers.contracts import CURVES

Item = TypeVar("Item")

ROWS = 500
"""Rows looked at in one query."""
TRIES = 5
"""How often an import is tried that waits for runners which wait for it."""
RESULT = (
    *CURVES,
    "state",
    "reason",
    "epochs_done",
)
"""What must be the same of a trial that is known on both sides; not how long it took, or where."""


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    study_id: str
    trials: int
    added: int
    """Trials that were not here."""
    completed: int
    """Trials that were here without a result, and have one now."""
    kept: int
    """Trials that had a result here already, which was kept."""
    conflicts: tuple[str, ...]
    """Keys of those of which the archive has another result."""


def load(url: str, path: Path, *, max_trials: int, owner_id: str | None = None) -> Imported:
    """Import a file. For a process beside the API's, which writes to the database by itself.

    Args:
        url: Of the database.
        path: The file.
        max_trials: Trials a study may hold here.
        owner_id: Key of who imports it.

    Raises:
        ArchiveRefusedError: As `reading.read` and `checks.check`.
        ArchiveTooLargeError: As `reading.read`.
        ConflictError: The study is here already.
    """
    archive = read(path, max_trials=max_trials)
    check(archive, max_trials=max_trials)
    database = Database(url)
    try:
        return _patiently(database, archive, owner_id)
    finally:
        database.close()


def _patiently(database: Database, archive: Archive, owner_id: str | None) -> Imported:
    """Write a checked archive, again where a runner waited for it in the meantime."""
    tries = 0
    while True:
        try:
            with database.write() as session:
                return store(session, archive, owner_id)
        except DBAPIError as error:
            tries += 1
            if tries == TRIES or not deadlocked(error):
                raise


def store(session: Session, archive: Archive, owner_id: str | None) -> Imported:
    """Write a checked archive. Raises `ConflictError` where its study is here already."""
    alone(session, Alone.COMPOSE)
    study_id = archive.study.id
    if session.get(StudyRow, study_id) is not None:
        raise ConflictError(
            f"study {study_id} is here already, at /studies/{study_id}; delete it before you "
            "import it again"
        )
    here = _here(session, [trial.key for trial in archive.trials])
    new = [trial for trial in archive.trials if trial.key not in here]
    open_ = [trial for trial in archive.trials if _brings_result(trial, here)]
    both = [trial for trial in archive.trials if _known(here.get(trial.key)) and _is_known(trial)]
    conflicts = tuple(_conflicts(session, both, here))
    insert_new(session, TrialRow, map(_trial_columns, new))
    _complete(session, open_)
    insert_new(session, CurveRow, _curve_columns([*new, *open_]))
    session.add(_study_row(archive, owner_id, _state(archive, here)))
    session.flush()
    _add_parts(session, archive)
    announce_trials(session, [trial.key for trial in open_], SUMMARIES, besides=study_id)
    announce(session, study_id, HEADER)
    kept = sum(_known(here.get(trial.key)) for trial in archive.trials)
    return Imported(study_id, len(archive.trials), len(new), len(open_), kept, conflicts)


def _here(session: Session, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what is here of some trials, by key; until the commit nobody else changes it.

    Who has just trained one is waited for. He may wait for another of ours, as runners take them in
    an order of their own: PostgreSQL then ends one of the two transactions, of which either is
    tried again.
    """
    columns = [getattr(TrialRow, name) for name in ("key", *RESULT)]
    found: dict[str, dict[str, Any]] = {}
    for some in _portions(keys):
        mine = select(*columns).where(TrialRow.key.in_(some)).with_for_update(key_share=True)
        rows = session.connection().execute(mine)
        found |= {row.key: dict(row._mapping) for row in rows}
    return found


def _known(here: dict[str, Any] | None) -> bool:
    return here is not None and here["state"] in KNOWN


def _is_known(trial: TrialRecord) -> bool:
    return trial.state in KNOWN


def _brings_result(trial: TrialRecord, here: dict[str, dict[str, Any]]) -> bool:
    """Tell whether a trial that waits, trains or failed here has a result in the archive."""
    return _is_known(trial) and trial.key in here and not _known(here[trial.key])


def _conflicts(
    session: Session, both: Sequence[TrialRecord], here: dict[str, dict[str, Any]]
) -> Iterator[str]:
    """Yield the keys of trials that are known on both sides, and have another result here."""
    for some in _portions(both):
        keys = [trial.key for trial in some]
        kept = select(CurveRow.trial_key, CurveRow.data).where(CurveRow.trial_key.in_(keys))
        curves = {key: data for key, data in session.execute(kept)}  # noqa: C416 - no pairs to mypy
        for trial in some:
            told = curves.get(trial.key), trial.curves
            if _differs(trial, here[trial.key]) or (None not in told and told[0] != told[1]):
                yield trial.key


def _differs(trial: TrialRecord, here: dict[str, Any]) -> bool:
    return any(_value(getattr(trial, name)) != _value(here[name]) for name in RESULT)


def _portions(trials: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(trials), ROWS):
        yield trials[start : start + ROWS]


def _value(value: Any) -> Any:
    """Return a value that can be compared: NaN, which PostgreSQL keeps, is none."""
    return None if value != value else value


def _trial_columns(trial: TrialRecord) -> dict[str, Any]:
    return {**trial.model_dump(exclude={"curves"}), "state": trial.state}


def _complete(session: Session, trials: Sequence[TrialRecord]) -> None:
    """Give trials their results, which have none and which nobody else changes meanwhile.

    Who trains one of them is told at his next word that it is not his any more.
    """
    outcome = (*RESULT, "seconds", "device", "finished_at")
    given = (
        # The table and not the class: the ORM would refuse a WHERE on many rows' bound keys.
        update(TrialRow.__table__)  # type: ignore[arg-type]
        .where(TrialRow.key == bindparam("of"))
        .values({name: bindparam(f"its_{name}") for name in outcome} | {"claimed_by": None})
    )
    for some in _portions(trials):
        rows = [
            {"of": trial.key, **{f"its_{name}": getattr(trial, name) for name in outcome}}
            for trial in some
        ]
        session.connection().execute(given, rows)
        keys = [trial.key for trial in some]
        session.execute(delete(CurveRow).where(CurveRow.trial_key.in_(keys)))


def _curve_columns(trials: Iterable[TrialRecord]) -> Iterable[dict[str, Any]]:
    for trial in trials:
        if trial.curves is not None:
            yield {"trial_key": trial.key, "epochs": trial.epochs_done, "data": trial.curves}


def _state(archive: Archive, here: dict[str, dict[str, Any]]) -> StudyState:
    """Return the study's state: done, if what it lacks is known here."""
    open_ = [
        trial
        for trial in archive.trials
        if not _is_known(trial) and not _known(here.get(trial.key))
    ]
    grid = archive.study.spec.get("mode") != "search"
    return StudyState.DONE if grid and not open_ else archive.study.state


def _study_row(archive: Archive, owner_id: str | None, state: StudyState) -> StudyRow:
    study = archive.study
    fields = study.model_dump(exclude={"tags", "spec", "state", "error"})
    return StudyRow(
        **fields,
        task=study.spec["task"],
        spec=study.spec,
        state=state,
        error=study.error if state is study.state else None,
        owner_id=owner_id,
        imported_at=utcnow(),
        origin=f"lpwd {archive.manifest.lpwd}, archive {archive.digest[:16]}",
    )


def _add_parts(session: Session, archive: Archive) -> None:
    """Add all that belongs to the study's row."""
    study_id = archive.study.id
    insert_new(
        session,
        StudyTrialRow,
        (
            {"study_id": study_id, "trial_key": trial.key, "position": position}
            for position, trial in enumerate(archive.trials)
        ),
    )
    insert_new(session, TagRow, ({"study_id": study_id, "tag": tag} for tag in archive.study.tags))
    insert_new(
        session,
        PointRow,
        ({"study_id": study_id, **point.model_dump()} for point in archive.points),
    )
    insert_new(
        session,
        ImportanceRow,
        (
            {
                "study_id": study_id,
                **told.model_dump(),
                "shares": [list(one) for one in told.shares],
            }
            for told in archive.importances
        ),
    )
