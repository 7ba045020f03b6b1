"""`/presets`."""

from typing import Any

from fastapi import APIRouter

from service import presets
from service.problems import PROBLEMS
from service.studies.schemas import Answer

router = APIRouter(prefix="/presets", tags=["presets"])


class PresetAnswer(Answer):
    """A study that is ready to be sent."""

    name: str
    title: str
    description: str
    trials: int
    datasets: tuple[str, ...]
    """Data sets that it needs; `lpwd data fetch NAME` brings one."""
    data_here: bool
    """Whether they are where the service runs."""
    study: dict[str, Any]
    """The body to send to `POST /api/v1/studies`."""


@router.get("")
def list_presets() -> list[PresetAnswer]:
    """List the studies that ship with the service."""
    return [PresetAnswer.model_validate(one) for one in presets.everything()]


@router.get("/{name}", responses=PROBLEMS)
def preset(name: str) -> PresetAnswer:
    """Return one of them."""
    return PresetAnswer.model_validate(presets.get(name))
