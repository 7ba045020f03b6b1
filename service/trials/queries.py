"""Reading trials."""

from math import isfinite

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.tables import CurveRow, StudyTrialRow, TrialRow
from service.errors import NotFoundError
from service.studies.repository import row as study_row
from service.trials import curves
from service.trials.model import TrialState
from service.trials.schemas import TrialAnswer, TrialPage, TrialWithCurves
from workers.contracts import CURVES


def of_study(
    session: Session, study_id: str, *, state: TrialState | None, offset: int, limit: int
) -> TrialPage:
    """Return a study's trials. Raises `NotFoundError`."""
    study_row(session, study_id)
    query = (
        select(TrialRow)
        .join(StudyTrialRow, StudyTrialRow.trial_key == TrialRow.key)
        .where(StudyTrialRow.study_id == study_id)
        .order_by(StudyTrialRow.position)
    )
    if state is not None:
        query = query.where(TrialRow.state == state)
    found = session.scalars(query.offset(offset).limit(limit + 1)).all()
    return TrialPage(
        items=tuple(TrialAnswer.model_validate(trial) for trial in found[:limit]),
        next_offset=offset + limit if len(found) > limit else None,
    )


def with_curves(session: Session, key: str) -> TrialWithCurves:
    """Return one trial and its curves. Raises `NotFoundError`."""
    trial = session.get(TrialRow, key) if key.isalnum() else None
    if trial is None:
        raise NotFoundError(
            f"there is no trial {key[:64]!r}; GET /api/v1/studies/{{id}}/trials lists a study's"
        )
    stored = session.get(CurveRow, key)
    columns = curves.unpack(stored.data).T.tolist() if stored else [[] for _ in CURVES]
    answer = TrialAnswer.model_validate(trial)
    return TrialWithCurves(
        **dict(answer),
        curves={
            name: [value if isfinite(value) else None for value in column]
            for name, column in zip(CURVES, columns, strict=True)
        },
    )
