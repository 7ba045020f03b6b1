"""A search as an Optuna storage. Made in a process beside the API's, which imports no Optuna."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workers.search.contracts import Parameter, Past


@dataclass(frozen=True)
class ExportedPoint:
    """A point as the storage file holds it."""

    past: Past
    attributes: Mapping[str, Any]
    started: datetime
    ended: datetime


@dataclass(frozen=True)
class ExportedStudy:
    """An optimizer's search as the storage file holds it."""

    name: str
    space: tuple[Parameter, ...]
    points: tuple[ExportedPoint, ...]
    attributes: Mapping[str, Any]
    maximize: bool


def export(studies: Sequence[ExportedStudy]) -> bytes:
    """Return an Optuna storage, a SQLite file, with one study an optimizer.

    `optuna.load_study(study_name=…, storage="sqlite:///optuna.db")` and optuna-dashboard open it.
    It is made in memory: no disk can be full.
    """
    import optuna
    from sqlalchemy.pool import StaticPool

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Of the one connection there is, as the database is gone with it.
    storage = optuna.storages.RDBStorage("sqlite://", engine_kwargs={"poolclass": StaticPool})
    for one in studies:
        _export_study(storage, one)
    connection = storage.engine.raw_connection()
    try:
        written: bytes = connection.driver_connection.serialize()  # type: ignore[union-attr]
        return written
    finally:
        connection.close()
        storage.engine.dispose()


def _export_study(storage: Any, one: ExportedStudy) -> None:
    import optuna

    from workers.search.optuna_space import told

    study = optuna.create_study(
        storage=storage,
        study_name=one.name,
        direction="maximize" if one.maximize else "minimize",
    )
    for name, value in one.attributes.items():
        study.set_user_attr(name, value)
    for point in one.points:
        trial = told(one.space, point.past, point.attributes)
        trial.datetime_start, trial.datetime_complete = point.started, point.ended
        study.add_trial(trial)
