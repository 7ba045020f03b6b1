"""`/presets`."""

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from service import presets
from service.catalogue.schemas import PresetAnswer
from service.conditional import NOT_CHANGED, send_json
from service.problems import PROBLEMS

router = APIRouter(prefix="/presets", tags=["presets"], responses=NOT_CHANGED)

PRESETS = TypeAdapter(list[PresetAnswer])


@router.get("", response_model=list[PresetAnswer])
def list_presets(request: Request) -> Response:
    """List the studies that ship with the service."""
    found = [PresetAnswer.model_validate(one) for one in presets.everything()]
    return send_json(request, PRESETS.dump_json(found), "presets.json")


@router.get("/{name}", response_model=PresetAnswer, responses=PROBLEMS)
def preset(request: Request, name: str) -> Response:
    """Return one of them."""
    found = PresetAnswer.model_validate(presets.get(name))
    return send_json(request, found.model_dump_json().encode(), "preset.json")
