"""A database with something of everything, for tests that go everywhere."""

from sqlalchemy import update

from service.db import Database
from service.db.tables.studies import StudyRow
from service.schedules import repository as schedules
from service.schedules.schemas import ScheduleRequest
from service.studies import creating, repository
from service.studies.model import Details, Limits, StudyState
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
