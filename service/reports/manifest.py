"""Everything that it takes to check a study, or to repeat it. Always in the same order."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from sqlalchemy import String, select, text, type_coerce
from sqlalchemy.orm import Session

from service.db import Database
from service.db.tables.searches import PointRow
from service.db.tables.studies import StudyRow, StudyTrialRow, TrialRow
from service.events.repository import revision
from service.search.planning import SearchSpec
from service.studies.details import read_details
from service.studies.planning import StudySpec
from service.studies.repository import row as study_row
from service.studies.resending import request_of
from workers import data, tasks
from workers.contracts import ENGINE_VERSION
from workers.data import receipt
from workers.errors import WorkersError

FORMAT = 1
"""Raised when a field changes its name or meaning."""
INSTALLED = ("lpwd", "numpy", "optuna", "pytorch-optimizer", "ray", "scipy", "torch", "torchvision")
"""Packages whose versions matter to numbers."""
COLUMNS = (
    "key",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "seed",
    "state",
    "epochs_done",
    "validation_score",
    "test_score",
    "device",
    "seconds",
    "engine_version",
    "finished_at",
)
POINT_COLUMNS = (
    "optimizer",
    "number",
    "parameters",
    "state",
    "value",
    "test_value",
    "epochs_done",
    "device",
    "seconds",
)


def write_manifest(url: str, study_id: str, path: Path) -> int:
    """Write a study's manifest as JSON. For a process beside the API's: it may be long.

    Args:
        url: Of the database.
        study_id: The study.
        path: Where to.

    Returns:
        The number of the study's last event, as of what was written.
    """
    database = Database(url)
    try:
        with database.read() as session, path.open("w", encoding="utf-8") as file:
            json.dump(manifest(session, study_id), file, ensure_ascii=False, allow_nan=False)
            return revision(session, study_id)
    finally:
        database.close()


def manifest(session: Session, study_id: str) -> dict[str, Any]:
    """Describe a study.

    Versions are those installed where this runs; of the numbers of a trial speak its engine's
    version and its device, with the versions that trained it.

    Raises:
        NotFoundError: There is no such study.
    """
    study = study_row(session, study_id)
    search = study.spec.get("mode") == "search"
    spec = SearchSpec.from_json(study.spec) if search else StudySpec.from_json(study.spec)
    trials = _trials(session, study_id)
    points = _points(session, study_id) if search else []
    return {
        "format": FORMAT,
        "study": _study(study),
        "versions": {
            "engine": ENGINE_VERSION,
            "python": python_version(),
            "database": session.scalar(text("SELECT version_num FROM alembic_version")),
            "packages": {name: _installed(name) for name in INSTALLED},
        },
        "spec": study.spec,
        "repeat": _repeat(request_of(spec, read_details(session, study))),
        "task": _task(spec),
        "devices": _devices([*trials, *points]),
        "seeds": list(spec.seeds if isinstance(spec, StudySpec) else spec.search.seeds),
        "results": {"sha256": _digest(trials, points), "trials": trials, "points": points},
    }


def _study(study: StudyRow) -> dict[str, Any]:
    moments = ("created_at", "started_at", "finished_at", "imported_at")
    return {
        "id": study.id,
        "name": study.name,
        "state": str(study.state),
        "error": study.error,
        "origin": study.origin,
        **{name: _plain(getattr(study, name)) for name in moments},
    }


def _repeat(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what sends the study again: save `request` as study.json, then either command."""
    return {
        "request": request,
        "command": "lpwd submit study.json",
        "curl": "curl -X POST http://127.0.0.1:8000/api/v1/studies "
        "-H 'Content-Type: application/json' --data-binary @study.json",
    }


def _task(spec: StudySpec | SearchSpec) -> dict[str, Any]:
    """Describe the task as it was trained, and its data sets as they are here."""
    trained = spec.task_version if isinstance(spec, StudySpec) else spec.search.task_version
    found: dict[str, Any] = {"name": spec.task, "version": trained}
    try:
        task = tasks.get(spec.task)
        sets = [data.get(name) for name in task.datasets]
    except WorkersError as error:
        return {**found, "here": None, "data_sets": [], "reason": str(error)}
    return {**found, "here": task.version, "data_sets": list(map(_data_set, sets))}


def _data_set(one: data.DataSet) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "source": one.source,
        "package": one.package or None,
        "package_version": _installed(one.package) if one.package else None,
        "checksums": {download.name: download.checksum for download in one.downloads},
        "here": one.here(data.folder()),
        "fetched": receipt.checksums(data.folder() / one.name),
    }


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return python_version() if package == "CPython" else None


def _devices(trained: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sum up what was trained where."""
    found: dict[str, tuple[int, float]] = {}
    for one in trained:
        if one["device"] is not None:
            count, seconds = found.get(one["device"], (0, 0.0))
            found[one["device"]] = count + 1, seconds + (one["seconds"] or 0.0)
    return [
        {"device": device, "trained": count, "seconds": round(seconds, 3)}
        for device, (count, seconds) in sorted(found.items())
    ]


def _trials(session: Session, study_id: str) -> list[dict[str, Any]]:
    """Return a study's trials in the order of their places."""
    columns = [
        type_coerce(TrialRow.state, String).label("state") if name == "state" else column
        for name, column in ((name, getattr(TrialRow, name)) for name in COLUMNS)
    ]
    rows = session.connection().execute(
        select(*columns)
        .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
        .where(StudyTrialRow.study_id == study_id)
        .order_by(StudyTrialRow.position, TrialRow.key)
    )
    return [dict(zip(COLUMNS, map(_plain, found), strict=True)) for found in rows]


def _points(session: Session, study_id: str) -> list[dict[str, Any]]:
    columns = [getattr(PointRow, name) for name in POINT_COLUMNS]
    rows = session.connection().execute(
        select(*columns)
        .where(PointRow.study_id == study_id)
        .order_by(PointRow.optimizer, PointRow.number)
    )
    return [dict(zip(POINT_COLUMNS, map(_plain, found), strict=True)) for found in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value != value:  # NaN is no result
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _digest(trials: Sequence[Mapping[str, Any]], points: Sequence[Mapping[str, Any]]) -> str:
    """Hash what came out, and nothing of when, where and how quickly.

    One line ``key state epochs validation test`` a trial, sorted; after them one line ``optimizer
    number state epochs value test`` a point. Numbers are written as JSON has them, a missing one as
    null.
    """
    results = ("state", "epochs_done", "validation_score", "test_score")
    lines = sorted(" ".join([one["key"], *_written(one, results)]) for one in trials)
    values = ("optimizer", "number", "state", "epochs_done", "value", "test_value")
    lines += sorted(" ".join(_written(one, values)) for one in points)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _written(one: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [
        str(one[name]) if isinstance(one[name], str) else json.dumps(one[name]) for name in names
    ]
