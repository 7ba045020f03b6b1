"""Reading a study's results, aggregated; kept in memory until the study changes."""

import threading
from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.tables import CurveRow, StudyTrialRow, TrialRow
from service.events.repository import revision
from service.heatmaps.aggregate import TrialView, aggregate, best_cells
from service.heatmaps.model import StudyResults
from service.studies.planning import StudySpec, settings_of
from service.studies.repository import load_spec, row
from service.trials import curves
from service.trials.model import TrialState

DEFAULT_SPLIT = "test"
DEFAULT_TOLERANCE = 0.01
"""One point of accuracy."""


class ResultsCache:
    """Results of the studies last looked at, by the number of their last event."""

    def __init__(self, size: int = 64) -> None:
        """Keep `size` studies' results at most."""
        self._size = size
        self._kept: OrderedDict[tuple[str, str, float, int], StudyResults] = OrderedDict()
        self._lock = threading.Lock()

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
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = read_results(session, study_id, split=split, tolerance=tolerance)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return found


def read_results(session: Session, study_id: str, *, split: str, tolerance: float) -> StudyResults:
    """Read a study's trials and aggregate them. Raises `NotFoundError`."""
    spec = load_spec(session, study_id)
    trials = _trials(session, study_id, spec)
    best = best_cells(spec, trials)
    return aggregate(
        spec,
        trials,
        split=split,
        tolerance=tolerance,
        curves={
            label: _curves(session, study_id, spec, label, cell) for label, cell in best.items()
        },
    )


def _trials(session: Session, study_id: str, spec: StudySpec) -> list[TrialView]:
    labels = _labels(spec)
    rows = session.execute(
        select(
            TrialRow.optimizer,
            TrialRow.hyperparameters,
            TrialRow.learning_rate,
            TrialRow.weight_decay,
            TrialRow.seed,
            TrialRow.state,
            TrialRow.validation_score,
            TrialRow.test_score,
        )
        .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
        .where(StudyTrialRow.study_id == study_id)
    )
    return [TrialView(labels[settings_of(name, given)], *rest) for name, given, *rest in rows]


def _labels(spec: StudySpec) -> Mapping[tuple[str, str], str]:
    return {variant.settings: variant.label for variant in spec.variants}


def _curves(
    session: Session, study_id: str, spec: StudySpec, label: str, cell: tuple[float, float]
) -> list[npt.NDArray[np.float32]]:
    """Return the curves of one cell's finished trials, by seed; diverged ones end early."""
    variant = next(variant for variant in spec.variants if variant.label == label)
    rows = session.execute(
        select(TrialRow.hyperparameters, CurveRow.data)
        .join(CurveRow, CurveRow.trial_key == TrialRow.key)
        .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
        .where(
            StudyTrialRow.study_id == study_id,
            TrialRow.optimizer == variant.name,
            TrialRow.learning_rate == cell[0],
            TrialRow.weight_decay == cell[1],
            TrialRow.state == TrialState.DONE,
        )
        .order_by(TrialRow.seed)
    )
    return [
        curves.unpack(data)
        for given, data in rows
        if settings_of(variant.name, given) == variant.settings
    ]
