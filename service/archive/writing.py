"""Writing an archive. For a process beside the API's, which reads the database by itself."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.archive.model import (
    ARCHIVE,
    FORMAT,
    IMPORTANCES,
    POINTS,
    STUDY,
    TRIALS,
    VERSION,
    ImportanceRecord,
    PointRecord,
    Record,
    StudyRecord,
    TrialRecord,
)
from service.db import Database
from service.db.tables.searches import ImportanceRow, PointRow
from service.db.tables.studies import CurveRow, StudyTrialRow, TrialRow
from service.errors import ConflictError
from service.events.repository import revision
from service.studies.details import tags_of
from service.studies.repository import row as study_row
from service.trials.model import TrialState
from workers.contracts import ENGINE_VERSION

READ_AT_ONCE = 1_000
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in an archive: the same study makes the same bytes."""


def require_ended(session: Session, study_id: str) -> None:
    """Make sure that a study can be archived.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It has not ended.
    """
    state = study_row(session, study_id).state
    if not state.final:
        raise ConflictError(
            f"study {study_id} is {state}: only what has ended is archived; wait, or cancel it"
        )


def write(url: str, study_id: str, path: Path) -> int:
    """Write a study that has ended into a file.

    Args:
        url: Of the database.
        study_id: The study.
        path: Where to.

    Returns:
        The number of the study's last event, as of what was written.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: It has not ended.
    """
    database = Database(url)
    try:
        with database.read() as session, ZipFile(path, "w", ZIP_DEFLATED, compresslevel=6) as file:
            require_ended(session, study_id)
            hashes = {name: _add(file, name, lines) for name, lines in _files(session, study_id)}
            about = {
                "format": FORMAT,
                "version": VERSION,
                "lpwd": version("lpwd"),
                "engine": ENGINE_VERSION,
                "files": hashes,
            }
            _add(file, ARCHIVE, [json.dumps(about, indent=1, sort_keys=True)])
            return revision(session, study_id)
    finally:
        database.close()


def _files(session: Session, study_id: str) -> Iterator[tuple[str, Iterable[str]]]:
    study = study_row(session, study_id)
    yield STUDY, [_line(_study(session, study_id))]
    yield TRIALS, map(_line, _trials(session, study_id))
    if study.spec.get("mode") == "search":
        yield POINTS, map(_line, _points(session, study_id))
        yield IMPORTANCES, map(_line, _importances(session, study_id))


def _add(file: ZipFile, name: str, lines: Iterable[str]) -> str:
    """Add a file of lines to an archive; returns its hash."""
    digest = hashlib.sha256()
    info = ZipInfo(name, EPOCH)
    info.compress_type = ZIP_DEFLATED
    with file.open(info, "w", force_zip64=True) as out:
        for line in lines:
            data = f"{line}\n".encode()
            digest.update(data)
            out.write(data)
    return digest.hexdigest()


def _line(record: Record) -> str:
    return json.dumps(
        record.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def _study(session: Session, study_id: str) -> StudyRecord:
    study = study_row(session, study_id)
    fields = {name: getattr(study, name) for name in StudyRecord.model_fields if name != "tags"}
    return StudyRecord.model_validate({**fields, "tags": tags_of(session, [study_id])[study_id]})


def _trials(session: Session, study_id: str) -> Iterator[TrialRecord]:
    """Yield trials in their order; what another study trains just now counts as not trained."""
    names = [name for name in TrialRecord.model_fields if name != "curves"]
    rows = session.connection().execute(
        select(*(getattr(TrialRow, name) for name in names), CurveRow.data.label("curves"))
        .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
        .outerjoin(CurveRow, CurveRow.trial_key == TrialRow.key)
        .where(StudyTrialRow.study_id == study_id)
        .order_by(StudyTrialRow.position),
        execution_options={"yield_per": READ_AT_ONCE},
    )
    for found in rows:
        fields: dict[str, Any] = dict(found._mapping)
        if fields["state"] is TrialState.RUNNING:
            fields |= {"state": TrialState.PENDING, "epochs_done": 0}
        if not fields["state"].known:
            fields["curves"] = None
        yield TrialRecord.model_validate(fields)


def _points(session: Session, study_id: str) -> Iterator[PointRecord]:
    rows = session.scalars(
        select(PointRow)
        .where(PointRow.study_id == study_id)
        .order_by(PointRow.optimizer, PointRow.number)
    )
    for found in rows:
        yield PointRecord.model_validate(
            {name: getattr(found, name) for name in PointRecord.model_fields}
        )


def _importances(session: Session, study_id: str) -> Iterator[ImportanceRecord]:
    rows = session.scalars(
        select(ImportanceRow)
        .where(ImportanceRow.study_id == study_id)
        .order_by(ImportanceRow.optimizer)
    )
    for found in rows:
        yield ImportanceRecord(
            optimizer=found.optimizer,
            points=found.points,
            shares=tuple((name, share) for name, share in found.shares),
        )
