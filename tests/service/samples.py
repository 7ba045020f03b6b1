"""A database with something of everything, for tests that go everywhere."""

from datetime import timedelta

from sqlalchemy import select, update

from service.access import sessions
from service.db import Database, utcnow
from service.db.counters import LEASE_LOSSES, count
from service.db.tables.processes import HeartbeatRow, RunnerRow
from service.db.tables.schedules import FiringRow
from service.db.tables.searches import ImportanceRow
from service.db.tables.studies import StudyRow
from service.db.tables.webhooks import WebhookRow
from service.keys import repository as keys
from service.keys.model import Role
from service.runners.model import DeviceUse, RunnerState
from service.schedules import repository as schedules
from service.schedules.model import Decline, Regression
from service.schedules.schemas import ScheduleRequest
from service.studies import creating, repository
from service.studies.model import Details, Limits, StudyState
from service.webhooks import outbox
from service.webhooks.model import WebhookEvent
from tests.service import work
from tests.service.search import points
from workers.search.contracts import PointState

GRID = {
    "task": "digits-mlp",
    "optimizers": ["adamw", "adam-lpwd"],
    "learning_rates": [0.001, 0.01],
    "weight_decays": [0.0, 0.1],
    "seeds": 2,
    "budget": {"epochs": 2, "batch_size": 64},
}
SEARCH = {
    "mode": "search",
    "task": "digits-mlp",
    "optimizers": ["adamw"],
    "space": {"optimizers": {"adamw": {"beta1": {"low": 0.8, "high": 0.95}}}},
    "seeds": 2,
    "budget": {"epochs": 4, "points": 5},
}


def fill(database: Database) -> dict[str, str]:
    """Write studies that are finished, diverged, empty and under way, a search and a schedule.

    Returns:
        What each is, to its id.
    """
    found = {}
    details = Details(tags=("paper",), note="Figure 3", priority=2, limits=Limits(3600.0, None))
    with database.write() as session:
        found["finished"] = creating.create(session, work.spec_of(GRID), details)
    work.train(database, found["finished"])
    found["diverged"] = work.send(database, GRID | {"seeds": [7], "optimizers": ["adam-l2"]})
    work.train(database, found["diverged"], lambda trial: None)
    found["search"] = points.send(database, SEARCH)
    _search(database)
    found["empty"] = work.send(database, GRID | {"seeds": [8]})
    with database.write() as session:
        repository.cancel(session, found["empty"])
        request = ScheduleRequest(name="nightly", cron="30 2 * * *", study=GRID)
        schedule = schedules.create(session, request, max_trials=1000)
        found["schedule"] = schedule.id
        schedules.fire_now(session, schedule.id, max_trials=1000)
    found["queued"] = work.send(database, GRID | {"seeds": [9]})
    with database.write() as session:
        owned = StudyRow.id == found["queued"]
        session.execute(update(StudyRow).where(owned).values(last_loss="a runner fell silent"))
    return found


def _search(database: Database) -> None:
    held = work.lease(database)
    points.try_point(database, held, "adamw", 0, beta1=0.9)
    points.try_point(
        database,
        held,
        "adamw",
        1,
        PointState.PRUNED,
        record_=points.recorded(0.2),
        beta1=0.85,
    )
    failed = points.recorded()
    points.try_point(
        database, held, "adamw", 2, PointState.FAILED, record_=failed, reason="x", beta1=0.81
    )
    with database.write() as session:
        held.end(session, StudyState.FAILED, "1 point could not be trained; the first: x")


def fill_every_table(database: Database) -> dict[str, str]:
    """Write what `fill` does, and something into every other table; returns what that does."""
    found = fill(database)
    now = utcnow()
    with database.write() as session:
        again = work.spec_of(GRID | {"name": "sent once"})
        creating.create_once(session, again, "idempotent")
        key = keys.create(session, name="Ada", role=Role.SUBMITTER, expires_at=None).key
        sessions.begin(session, key.id)
        owned = StudyRow.id == found["finished"]
        session.execute(update(StudyRow).where(owned).values(owner_id=key.id))
        hook = WebhookRow(
            id="a1b2c3",
            owner_id=key.id,
            url="https://example.org/ended",
            events=[WebhookEvent.STUDY_ENDED.value],
            secret="whsec_of-nobody",
            enabled=True,
            failures=0,
            created_at=now,
        )
        session.add(hook)
        session.flush()
        outbox.study_ended(session, found["finished"])
        session.add(
            ImportanceRow(study_id=found["search"], optimizer="adamw", points=12, shares=[])
        )
        _compared(session.scalars(select(FiringRow)).one(), found["finished"])
        count(session, LEASE_LOSSES)
        process = {"id": "b1", "host": "anvil", "pid": 5, "started_at": now - 2 * HOUR}
        session.add(HeartbeatRow(**process, kind="scheduler", seen_at=now - HOUR))
        session.add(
            RunnerRow(
                **process,
                seen_at=now - HOUR,
                state=RunnerState.IDLE,
                devices=[DeviceUse("cpu", "Zen", "anvil", 6, 2**34).to_json()],
            )
        )
    return found


HOUR = timedelta(hours=1)


def _compared(firing: FiringRow, before_id: str) -> None:
    """Have a firing's study come out worse than another."""
    worse = (Decline("adamw", -0.02, -0.03, -0.01, 0.004),)
    firing.compared_at, firing.regression = utcnow(), Regression(before_id, worse).to_json()
