"""Reading searches and their points."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.db.tables.searches import PointRow
from service.db.tables.studies import StudyRow, StudyTrialRow, TrialRow
from service.search.model import SearchCounts
from service.search.planning import MODE, SearchSpec
from service.studies.eta import eta
from service.studies.model import StudyState, StudySummary
from service.trials.model import KNOWN, TrialState
from workers.search.contracts import PointState


def searched(study: StudyRow) -> bool:
    """Tell a search from a grid."""
    return study.spec.get("mode") == MODE


@dataclass
class _Counts:
    """One optimizer's points."""

    by_state: dict[PointState, int] = field(default_factory=dict)
    epochs_running: int = 0
    seconds: float = 0.0

    def progress(self, spec: SearchSpec) -> float:
        """Return the share of its budget that is used up, in [0, 1]."""
        search = spec.search
        ended = sum(n for state, n in self.by_state.items() if state is not PointState.RUNNING)
        shares = [(ended + self.epochs_running / search.budget.epochs) / search.points]
        if search.seconds is not None:
            shares.append(self.seconds / search.seconds)
        return min(max(shares), 1.0)


def search_summaries(session: Session, rows: Sequence[StudyRow]) -> dict[str, StudySummary]:
    """Return the summaries of searches, by their ids."""
    points = _count_points(session, [study.id for study in rows])
    trials = _count_trials(session, [study.id for study in rows])
    return {study.id: _summary(study, points[study.id], trials[study.id]) for study in rows}


def _summary(
    study: StudyRow, points: Mapping[str, _Counts], trials: Mapping[TrialState, int]
) -> StudySummary:
    spec = SearchSpec.from_json(study.spec)
    shares = [points.get(label, _Counts()).progress(spec) for label in spec.labels]
    progress = 1.0 if study.state is StudyState.DONE else sum(shares) / len(shares)
    return StudySummary(
        id=study.id,
        name=study.name,
        task=study.task,
        optimizers=spec.labels,
        learning_rates=(),
        weight_decays=(),
        seeds=spec.search.seeds,
        epochs=spec.search.budget.epochs,
        state=study.state,
        error=study.error,
        created_at=study.created_at,
        started_at=study.started_at,
        finished_at=study.finished_at,
        trials=sum(trials.values()),
        finished=sum(trials.values()),
        diverged=trials.get(TrialState.DIVERGED, 0),
        failed=0,
        running=0,
        reused=study.reused,
        progress=progress,
        eta_seconds=eta(study),
        device=study.device,
        imported_at=study.imported_at,
        origin=study.origin,
        budget=spec.search.budget,
        hyperparameters={},
        search=_total(spec, points.values()),
    )


def _total(spec: SearchSpec, optimizers: Collection[_Counts]) -> SearchCounts:
    def count(state: PointState) -> int:
        return sum(one.by_state.get(state, 0) for one in optimizers)

    limit = spec.search.seconds
    return SearchCounts(
        points=spec.points,
        done=count(PointState.DONE),
        pruned=count(PointState.PRUNED),
        diverged=count(PointState.DIVERGED),
        failed=count(PointState.FAILED),
        running=count(PointState.RUNNING),
        seconds=sum(one.seconds for one in optimizers),
        seconds_at_most=None if limit is None else limit * len(spec.labels),
    )


def _count_points(session: Session, ids: Sequence[str]) -> dict[str, dict[str, _Counts]]:
    """Count points by study and optimizer."""
    found: dict[str, dict[str, _Counts]] = {study_id: {} for study_id in ids}
    query = (
        select(
            PointRow.study_id,
            PointRow.optimizer,
            PointRow.state,
            func.count(),
            func.sum(PointRow.epochs_done),
            func.sum(PointRow.seconds),
        )
        .where(PointRow.study_id.in_(ids))
        .group_by(PointRow.study_id, PointRow.optimizer, PointRow.state)
    )
    for study_id, label, state, count, epochs, seconds in session.execute(query):
        one = found[study_id].setdefault(label, _Counts())
        one.by_state[state] = count
        one.seconds += seconds
        if state is PointState.RUNNING:
            one.epochs_running = epochs
    return found


def _count_trials(session: Session, ids: Sequence[str]) -> dict[str, dict[TrialState, int]]:
    found: dict[str, dict[TrialState, int]] = {study_id: {} for study_id in ids}
    query = (
        select(StudyTrialRow.study_id, TrialRow.state, func.count())
        .join(TrialRow, TrialRow.key == StudyTrialRow.trial_key)
        .where(StudyTrialRow.study_id.in_(ids), TrialRow.state.in_(KNOWN))
        .group_by(StudyTrialRow.study_id, TrialRow.state)
    )
    for study_id, state, count in session.execute(query):
        found[study_id][state] = count
    return found
