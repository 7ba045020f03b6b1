"""Whether a schedule's last study came out worse than the one before it.

Trials are deterministic, so a difference comes from what has changed since: the version of a
task, an optimizer or the engine. It is told only where the seeds bear it out, as comparisons have
it: paired by seed, p < 0.05 after Holm over all optimizers, and an interval that leaves out 0.
Below six seeds nothing is significant, and nothing is told.
"""

import logging
import threading
from dataclasses import asdict, replace

from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from lpwd.errors import LpwdError
from service.comparison.model import MeasureName
from service.comparison.pairs import adjusted, difference
from service.db import Database, utcnow
from service.db.tables.schedules import FiringRow, ScheduleRow
from service.db.tables.studies import StudyRow
from service.errors import ServiceError
from service.heatmaps.aggregate import grids, metric_view, title_of
from service.heatmaps.layout import Layout
from service.heatmaps.queries import DEFAULT_SPLIT, DEFAULT_TOLERANCE, ResultsCache
from service.schedules.model import Decline, Regression
from service.search.planning import MODE
from service.settings import Settings
from service.studies.model import StudyState
from service.studies.planning import StudySpec
from service.webhooks.model import WebhookEvent
from service.webhooks.outbox import enqueue
from workers.errors import WorkersError

logger = logging.getLogger(__name__)

LOOK_EVERY = 5.0
AT_ONCE = 10
"""Firings looked at in one go."""


def declines(spec: StudySpec, before: Layout, after: Layout) -> tuple[Decline, ...]:
    """Return the optimizers whose best cell came out significantly worse.

    Args:
        spec: The later study; the earlier one differs in versions alone.
        before: Trials of the earlier study.
        after: Trials of the later one.
    """
    metric = metric_view(spec.task, DEFAULT_SPLIT)
    earlier, later = grids(spec, before, metric), grids(spec, after, metric)
    differences = [
        difference(
            spec.learning_rates,
            spec.weight_decays,
            (variant.label, title_of(variant), variant.name),
            (later[variant.label], earlier[variant.label]),
            metric,
            DEFAULT_TOLERANCE,
        )
        for variant in spec.variants
    ]
    # The best cell alone is asked about: one test for each optimizer.
    asked = [replace(one, measures=(one.of(MeasureName.BEST),)) for one in differences]
    found = [(one.optimizer, one.of(MeasureName.BEST)) for one in adjusted(asked)]
    return tuple(
        Decline(label, best.difference, best.low, best.high, best.p_adjusted)
        for label, best in found
        if best.significant
        and best.difference is not None
        and (best.difference < 0) == metric.maximize
    )


def look(database: Database, cache: ResultsCache) -> int:
    """Compare what schedules sent, and has ended, with what they sent before; returns how much."""
    waiting = (
        select(FiringRow.id)
        .join(StudyRow, StudyRow.id == FiringRow.study_id)
        .where(
            FiringRow.compared_at.is_(None),
            StudyRow.state.in_([state for state in StudyState if state.final]),
        )
        .order_by(FiringRow.due_at)
        .limit(AT_ONCE)
    )
    with database.read() as session:
        ids = session.scalars(waiting).all()
    for firing_id in ids:
        _compare(database, cache, firing_id)
    return len(ids)


def _compare(database: Database, cache: ResultsCache, firing_id: str) -> None:
    with database.read() as session:
        firing = session.get(FiringRow, firing_id)
        earlier = None if firing is None else _earlier(session, firing)
        found: Regression | None = None
        if firing is not None and earlier is not None and firing.study_id is not None:
            found = _between(session, cache, earlier.id, firing.study_id)
    with database.write() as session:
        # Of several schedulers, one tells.
        mine = session.scalar(
            update(FiringRow)
            .where(FiringRow.id == firing_id, FiringRow.compared_at.is_(None))
            .values(compared_at=utcnow(), regression=None if found is None else found.to_json())
            .returning(FiringRow.schedule_id)
        )
        if mine is None or found is None:
            return
        study = session.get(StudyRow, firing.study_id) if firing is not None else None
        if study is not None:
            _tell(session, session.get_one(ScheduleRow, mine), study, found)


def _earlier(session: Session, firing: FiringRow) -> StudyRow | None:
    """Return the last study that the same schedule sent before, and that was trained in full."""
    return session.scalars(
        select(StudyRow)
        .join(FiringRow, FiringRow.study_id == StudyRow.id)
        .where(
            FiringRow.schedule_id == firing.schedule_id,
            FiringRow.due_at < firing.due_at,
            StudyRow.state == StudyState.DONE,
        )
        .order_by(FiringRow.due_at.desc())
        .limit(1)
    ).first()


def _between(
    session: Session, cache: ResultsCache, earlier_id: str, study_id: str
) -> Regression | None:
    """Return what came out worse; None where nothing did, or the two cannot be compared."""
    before, after = session.get_one(StudyRow, earlier_id), session.get_one(StudyRow, study_id)
    if after.state is not StudyState.DONE or MODE in {
        before.spec.get("mode"),
        after.spec.get("mode"),
    }:
        return None
    old, new = StudySpec.from_json(before.spec), StudySpec.from_json(after.spec)
    if after.reused == new.trial_count or _unversioned(old) != _unversioned(new):
        return None  # nothing new was trained, or something else was asked for
    try:
        earlier = cache.layout(session, before.id, old)
        found = declines(new, earlier, cache.layout(session, after.id, new))
        return Regression(before.id, found) if found else None
    except (LpwdError, WorkersError, ServiceError) as error:
        # What has left the catalogue since cannot be told any more.
        logger.warning("study %s is not compared with %s: %s", after.id, before.id, error)
        return None


def run(settings: Settings, stop: threading.Event) -> None:
    """Compare what ends until `stop` is set."""
    database, cache = Database(settings.url), ResultsCache()
    troubled = False
    try:
        while not stop.is_set():
            compared = 0
            try:
                compared = look(database, cache)
                troubled = False
            except DBAPIError as error:
                if not troubled:
                    logger.warning("comparisons wait for the database: %s", error.orig)
                troubled = True
            if compared < AT_ONCE:
                stop.wait(LOOK_EVERY)
    finally:
        database.close()


def _unversioned(spec: StudySpec) -> StudySpec:
    """Return what a study asks for, whatever the versions of what it uses."""
    variants = tuple(replace(variant, version=0) for variant in spec.variants)
    return replace(spec, task_version=0, variants=variants)


def _tell(session: Session, schedule: ScheduleRow, study: StudyRow, found: Regression) -> None:
    labels = ", ".join(one.optimizer for one in found.optimizers)
    logger.warning(
        "schedule %s: study %s came out worse than %s: %s",
        schedule.id,
        study.id,
        found.before_id,
        labels,
    )
    enqueue(
        session,
        WebhookEvent.REGRESSION,
        {
            "schedule": {"id": schedule.id, "name": schedule.name},
            "study": {"id": study.id, "name": study.name, "path": f"/studies/{study.id}"},
            "before": {"id": found.before_id, "path": f"/studies/{found.before_id}"},
            "optimizers": [asdict(one) for one in found.optimizers],
        },
        owner_id=study.owner_id,
    )
