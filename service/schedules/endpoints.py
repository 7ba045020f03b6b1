"""`/schedules`."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from service.app_state import DatabaseOf, ResultsOf, SearchesOf, SettingsOf
from service.heatmaps.endpoints import Split
from service.problems import PROBLEMS
from service.schedules import repository
from service.schedules.schemas import (
    FiringAnswer,
    ScheduleAnswer,
    ScheduleChange,
    ScheduleRequest,
    TrendAnswer,
)
from service.schedules.trend import trend as trend_of

router = APIRouter(prefix="/schedules", tags=["schedules"], responses=PROBLEMS)

EXAMPLE = {
    "name": "nightly",
    "cron": "30 2 * * *",
    "timezone": "Europe/Berlin",
    "study": {
        "task": "digits-mlp",
        "optimizers": ["adamw", "adam-lpwd"],
        "learning_rates": [0.001, 0.01],
        "weight_decays": [0, 0.1],
    },
}
CHANGE = {"enabled": False}


@router.post("", status_code=201)
def create(
    schedule: Annotated[ScheduleRequest, Body(openapi_examples={"nightly": {"value": EXAMPLE}})],
    database: DatabaseOf,
    settings: SettingsOf,
) -> ScheduleAnswer:
    """Have a study sent by the clock."""
    with database.write() as session:
        created = repository.create(session, schedule, max_trials=settings.max_trials)
        return ScheduleAnswer.model_validate(created)


@router.get("")
def list_schedules(database: DatabaseOf) -> list[ScheduleAnswer]:
    """List the schedules, oldest first."""
    with database.read() as session:
        return [ScheduleAnswer.model_validate(one) for one in repository.everything(session)]


@router.get("/{schedule_id}")
def read(schedule_id: str, database: DatabaseOf) -> ScheduleAnswer:
    """Return a schedule and when it fires next."""
    with database.read() as session:
        return ScheduleAnswer.model_validate(repository.read(session, schedule_id))


@router.patch("/{schedule_id}")
def change(
    schedule_id: str,
    schedule: Annotated[ScheduleChange, Body(openapi_examples={"pause": {"value": CHANGE}})],
    database: DatabaseOf,
    settings: SettingsOf,
) -> ScheduleAnswer:
    """Change a schedule; a new time to fire at is counted from now."""
    with database.write() as session:
        changed = repository.change(session, schedule_id, schedule, max_trials=settings.max_trials)
        return ScheduleAnswer.model_validate(changed)


@router.delete("/{schedule_id}", status_code=204)
def delete(schedule_id: str, database: DatabaseOf) -> None:
    """Delete a schedule and the record of its firings. The studies it sent stay."""
    with database.write() as session:
        session.delete(repository.read(session, schedule_id))


@router.post("/{schedule_id}/run", status_code=201)
def run(schedule_id: str, database: DatabaseOf, settings: SettingsOf) -> FiringAnswer:
    """Send the schedule's study now. The clock's next firing stays as it is."""
    with database.write() as session:
        fired = repository.fire_now(session, schedule_id, max_trials=settings.max_trials)
        return FiringAnswer.model_validate(fired)


@router.get("/{schedule_id}/firings")
def firings(
    schedule_id: str,
    database: DatabaseOf,
    limit: Annotated[int, Query(ge=1, le=1000, description="Firings to return.")] = 100,
) -> list[FiringAnswer]:
    """List a schedule's last firings, newest first."""
    with database.read() as session:
        found = repository.firings(session, schedule_id, limit=limit)
        return [FiringAnswer.model_validate(one) for one in found]


@router.get("/{schedule_id}/trend")
def trend(
    schedule_id: str,
    database: DatabaseOf,
    results: ResultsOf,
    searches: SearchesOf,
    split: Annotated[Split, Query(description="Which data the scores come from.")] = Split.TEST,
    limit: Annotated[int, Query(ge=1, le=365, description="Studies to return.")] = 30,
) -> list[TrendAnswer]:
    """Return what came of the last studies that the schedule sent and that are done, oldest first:
    each optimizer's best score with its interval, and whether it came out worse than before."""
    found = trend_of(database, results, searches, schedule_id, split=split, limit=limit)
    return [TrendAnswer.model_validate(one) for one in found]
