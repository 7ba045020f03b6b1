"""Reading a study's results, aggregated; kept in memory until the study changes."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Select, String, Text, cast, select, type_coerce
from sqlalchemy.orm import Session

from service.db.tables.studies import CurveRow, StudyTrialRow, TrialRow
from service.events.repository import revision
from service.heatmaps.aggregate import aggregate, best_cells
from service.heatmaps.kept import Kept
from service.heatmaps.layout import Columns, Layout, finished, lay_out
from service.heatmaps.model import StudyResults
from service.studies.planning import StudySpec, settings_of
from service.studies.repository import load_spec, row
from service.trials import curves

DEFAULT_SPLIT = "test"
DEFAULT_TOLERANCE = 0.01
"""One point of accuracy."""
READ_AT_ONCE = 10_000
"""Trials read from the database at once."""
CURVES_AT_ONCE = 500
"""Of trials; SQLite allows some thousand bound values."""


class ResultsCache:
    """What was read and aggregated of the studies last looked at, by their last events."""

    def __init__(self, cells: int = 12_000, trials: int = 120_000) -> None:
        """Keep results of `cells` cells, a thousand of which take a megabyte, and `trials` trials
        laid out."""
        self._results: Kept[StudyResults] = Kept(cells)
        self._layouts: Kept[Layout] = Kept(trials)

    def results(
        self,
        session: Session,
        study_id: str,
        *,
        split: str = DEFAULT_SPLIT,
        tolerance: float = DEFAULT_TOLERANCE,
    ) -> StudyResults:
        """Return a study's results. Raises `NotFoundError`."""
        row(session, study_id)
        key = (study_id, split, tolerance, revision(session, study_id))
        found = self._results.get(key)
        if found is None:
            spec = load_spec(session, study_id)
            layout = self.layout(session, study_id, spec)
            found = aggregated(session, spec, layout, split=split, tolerance=tolerance)
            self._results.put(key, found, sum(len(one.cells) for one in found.heatmaps))
        return found

    def layout(self, session: Session, study_id: str, spec: StudySpec) -> Layout:
        """Return a study's trials on its grid; nobody may change them."""
        key = (study_id, revision(session, study_id))
        found = self._layouts.get(key)
        if found is None:
            found = lay_out(spec, _trials(session, study_id, spec))
            self._layouts.put(key, found, found.states.size)
        return found


def aggregated(
    session: Session, spec: StudySpec, layout: Layout, *, split: str, tolerance: float
) -> StudyResults:
    """Aggregate a study's trials, and read the curves of its best cells."""
    best = best_cells(spec, layout)
    return aggregate(
        spec,
        layout,
        split=split,
        tolerance=tolerance,
        curves={
            label: _curves(session, finished(spec, layout, label, cell))
            for label, cell in best.items()
        },
    )


def _trials(session: Session, study_id: str, spec: StudySpec) -> Iterator[Columns]:
    """Read plain values, some at a time: many rows leave no time to make objects of them.

    Hyperparameters stay text, which is read once for each way it is written.
    """
    variants = {variant.settings: variant.label for variant in spec.variants}

    @cache
    def label(name: str, given: str) -> str:
        return variants[settings_of(name, json.loads(given))]

    query = (
        select(
            TrialRow.optimizer,
            cast(TrialRow.hyperparameters, Text),
            TrialRow.learning_rate,
            TrialRow.weight_decay,
            TrialRow.seed,
            TrialRow.key,
            type_coerce(TrialRow.state, String),
            TrialRow.validation_score,
            TrialRow.test_score,
        )
        .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
        .where(StudyTrialRow.study_id == study_id)
        .order_by(StudyTrialRow.trial_key)
        .limit(READ_AT_ONCE)
    )
    last = ""
    while some := _raw(session, query.where(StudyTrialRow.trial_key > last)):
        names, given, *rest = zip(*some, strict=True)
        columns = Columns(list(map(label, names, given)), *rest)
        last = columns.keys[-1]
        yield columns


def _raw(session: Session, query: Select[*tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    """Return rows straight from the driver, where values need no conversion: SQLAlchemy's own take
    time."""
    rows = session.connection().execute(query)
    cursor = rows.cursor
    assert cursor is not None  # noqa: S101 - a query has one
    found: Sequence[tuple[Any, ...]] = cursor.fetchall()
    rows.close()
    return found


def _curves(session: Session, keys: Sequence[str]) -> list[npt.NDArray[np.float32]]:
    """Return the curves of some trials, in that order."""
    found: dict[str, bytes] = {}
    for start in range(0, len(keys), CURVES_AT_ONCE):
        some = keys[start : start + CURVES_AT_ONCE]
        rows = session.execute(
            select(CurveRow.trial_key, CurveRow.data).where(CurveRow.trial_key.in_(some))
        )
        found.update((key, data) for key, data in rows)
    return [curves.unpack(found[key]) for key in keys if key in found]
