"""A study's trials as files, one row a trial, in the order in which they are trained.

For a process beside the API's, which reads the database by itself: there may be a hundred thousand
of them, and pyarrow takes time and memory to load.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db import Database
from service.db.tables.studies import StudyTrialRow, TrialRow
from service.events.repository import revision
from service.heatmaps.parquet import as_text
from service.studies.planning import StudySpec, settings_of
from service.studies.repository import row as study_row

COLUMNS = (
    "key",
    "label",
    "task",
    "task_version",
    "optimizer",
    "optimizer_version",
    "hyperparameters",
    "learning_rate",
    "weight_decay",
    "seed",
    "epochs",
    "batch_size",
    "schedule",
    "numerics",
    "engine_version",
    "state",
    "reason",
    "epochs_done",
    "validation_score",
    "validation_loss",
    "test_score",
    "test_loss",
    "train_loss",
    "seconds",
    "device",
    "finished_at",
)
"""`label` is the optimizer's in a grid, and empty in a search, whose points may share trials;
`hyperparameters` and `numerics` are JSON."""

NUMBERS = (
    "learning_rate",
    "weight_decay",
    "validation_score",
    "validation_loss",
    "test_score",
    "test_loss",
    "train_loss",
    "seconds",
)
COUNTS = (
    "task_version",
    "optimizer_version",
    "seed",
    "epochs",
    "batch_size",
    "engine_version",
    "epochs_done",
)
WRITTEN_AT_ONCE = 5_000
"""Rows."""


def rows(session: Session, study_id: str) -> Iterator[list[tuple[Any, ...]]]:
    """Yield a study's trials, some at a time, each with the values of `COLUMNS`.

    Raises:
        NotFoundError: There is no such study.
    """
    labels = _labels(study_row(session, study_id).spec)
    columns = [getattr(TrialRow, name) for name in COLUMNS if name != "label"]
    found = session.connection().execute(
        select(*columns)
        .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
        .where(StudyTrialRow.study_id == study_id)
        .order_by(StudyTrialRow.position),
        execution_options={"yield_per": WRITTEN_AT_ONCE},
    )
    for some in found.partitions():
        yield [_values(trial, labels) for trial in some]


def _labels(spec: Mapping[str, Any]) -> Mapping[tuple[str, str], str]:
    if spec.get("mode") == "search":
        return {}
    return {variant.settings: variant.label for variant in StudySpec.from_json(spec).variants}


def _values(trial: Any, labels: Mapping[tuple[str, str], str]) -> tuple[Any, ...]:
    known = {
        **trial._mapping,
        "label": labels.get(settings_of(trial.optimizer, trial.hyperparameters)),
        "hyperparameters": json.dumps(trial.hyperparameters, sort_keys=True),
        "numerics": json.dumps(trial.numerics, sort_keys=True),
        "state": str(trial.state),
    }
    return tuple(known[name] for name in COLUMNS)


def write_csv(url: str, study_id: str, path: Path) -> int:
    """Write a CSV file as RFC 4180 has it: a line that names `COLUMNS`, then one a trial.

    Args:
        url: Of the database.
        study_id: The study.
        path: Where to.

    Returns:
        The number of the study's last event, as of the trials that were written.
    """
    with _reading(url) as session, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for some in rows(session, study_id):
            writer.writerows(tuple(map(_text, values)) for values in some)
        return revision(session, study_id)


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def write_parquet(url: str, study_id: str, path: Path, metadata: Mapping[str, Any]) -> int:
    """Write a Parquet file. As `write_csv`.

    Args:
        url: Of the database.
        study_id: The study.
        path: Where to.
        metadata: JSON-able; the file's schema has it under ``lpwd``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        **dict.fromkeys(COLUMNS, pa.string()),
        **dict.fromkeys(NUMBERS, pa.float64()),
        **dict.fromkeys(COUNTS, pa.int32()),
        "finished_at": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema(list(types.items()), metadata={"lpwd": as_text(metadata)})
    with _reading(url) as session, pq.ParquetWriter(path, schema) as writer:
        for some in rows(session, study_id):
            columns = dict(zip(COLUMNS, zip(*some, strict=True), strict=True))
            writer.write_table(pa.table(columns, schema=schema))
        return revision(session, study_id)


@contextmanager
def _reading(url: str) -> Iterator[Session]:
    database = Database(url)
    try:
        with database.read() as session:
            yield session
    finally:
        database.close()
