"""`/presets`."""

from fastapi import APIRouter

from service import presets
from service.catalogue.schemas import PresetAnswer
from service.problems import PROBLEMS

router = APIRouter(prefix="/presets", tags=["presets"])


@router.get("")
def list_presets() -> list[PresetAnswer]:
    """List the studies that ship with the service."""
    return [PresetAnswer.model_validate(one) for one in presets.everything()]


@router.get("/{name}", responses=PROBLEMS)
def preset(name: str) -> PresetAnswer:
    """Return one of them."""
    return PresetAnswer.model_validate(presets.get(name))
