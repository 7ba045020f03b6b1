"""Reading trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from service.db.tables.studies import CurveRow, StudyRow, StudyTrialRow, TrialRow
from service.errors import NotFoundError
from service.studies.repository import read_spec
from service.studies.repository import row as study_row
from service.trials import curves
from service.trials.labels import labelled
from service.trials.model import TrialState
from service.trials.reproducing import command
from service.trials.schemas import StudyOfTrial, TrialAnswer, TrialPage, TrialWithCurves
from workers.contracts import CURVES


@dataclass(frozen=True)
class TrialFilter:
    """Which trials of a study; every field narrows the list, one that is empty does not."""

    states: tuple[TrialState, ...] = ()
    optimizer: str | None = None
    """Its label in the study."""
    learning_rates: tuple[float, ...] = ()
    weight_decays: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()


def of_study(
    session: Session, study_id: str, wanted: TrialFilter, *, offset: int, limit: int
) -> TrialPage:
    """Return some of a study's trials, in the order they are trained.

    Raises:
        NotFoundError: There is no such study.
        InvalidRequestError: It has no optimizer of that label.
    """
    study = study_row(session, study_id)
    conditions: list[ColumnElement[bool]] = [
        column.in_(values)
        for column, values in (
            (TrialRow.state, wanted.states),
            (TrialRow.learning_rate, wanted.learning_rates),
            (TrialRow.weight_decay, wanted.weight_decays),
            (TrialRow.seed, wanted.seeds),
        )
        if values
    ]
    if wanted.optimizer is not None:
        conditions += labelled(read_spec(study), wanted.optimizer)
    sqlite = session.get_bind().dialect.name == "sqlite"
    query = _page(study_id, conditions, offset, limit + 1, sqlite=sqlite)
    found = session.scalars(query).all()
    return TrialPage(
        items=tuple(TrialAnswer.model_validate(trial) for trial in found[:limit]),
        next_offset=offset + limit if len(found) > limit else None,
    )


def _page(
    study_id: str,
    conditions: Sequence[ColumnElement[bool]],
    offset: int,
    limit: int,
    *,
    sqlite: bool,
) -> Select[TrialRow]:
    """Return the query of a page; of trials that come before it, none is read in full.

    Without conditions an index leads there. With them it may lead through all trials, in an order
    in which they do not lie, for which SQLite is slow: the sum keeps it from that.
    """
    places = select(StudyTrialRow.trial_key, StudyTrialRow.position).where(
        StudyTrialRow.study_id == study_id
    )
    order: ColumnElement[int] = StudyTrialRow.position.expression
    if conditions:
        places = places.join(TrialRow, TrialRow.key == StudyTrialRow.trial_key).where(*conditions)
        order = order + 0 if sqlite else order
    page = places.order_by(order).offset(offset).limit(limit).subquery()
    return select(TrialRow).join(page, page.c.trial_key == TrialRow.key).order_by(page.c.position)


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
        studies=_studies_of(session, key),
        reproduce=command(trial),
        last_loss=trial.last_loss,
        curves={
            name: [value if isfinite(value) else None for value in column]
            for name, column in zip(CURVES, columns, strict=True)
        },
    )


def _studies_of(session: Session, key: str) -> tuple[StudyOfTrial, ...]:
    rows = session.execute(
        select(StudyRow.id, StudyRow.name)
        .join(StudyTrialRow, StudyTrialRow.study_id == StudyRow.id)
        .where(StudyTrialRow.trial_key == key)
        .order_by(StudyRow.created_at.desc(), StudyRow.id)
        .limit(100)
    )
    return tuple(StudyOfTrial(id=row.id, name=row.name) for row in rows)
