"""`/runners` and `/devices`."""

from dataclasses import asdict

from fastapi import APIRouter

from service.app_state import DatabaseOf
from service.runners.repository import everyone
from service.runners.schemas import PlacedDeviceAnswer, RunnerAnswer

router = APIRouter(tags=["queue"])


@router.get("/runners")
def runners(database: DatabaseOf) -> list[RunnerAnswer]:
    """List the runners, those that have just fallen silent included, the oldest first."""
    with database.read() as session:
        return [RunnerAnswer.model_validate(runner) for runner in everyone(session)]


@router.get("/devices")
def devices(database: DatabaseOf) -> list[PlacedDeviceAnswer]:
    """List the devices of all runners that are up, and what each trains now."""
    with database.read() as session:
        return [
            PlacedDeviceAnswer(
                **asdict(device), runner_id=runner.id, host=runner.host, study_id=runner.study_id
            )
            for runner in everyone(session)
            if runner.up
            for device in runner.devices
        ]
