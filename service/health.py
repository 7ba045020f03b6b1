"""`/healthz` and `/readyz`."""

import asyncio
from dataclasses import asdict

import anyio
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from service.app_state import DatabaseOf, RendererOf, SettingsOf
from service.readiness import Check, look

router = APIRouter(tags=["health"])

PATIENCE = 5.0
"""Seconds that all checks together may take."""


class Alive(BaseModel):
    """The process answers."""

    status: str = "ok"


class CheckAnswer(BaseModel):
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    seconds: float


class Readiness(BaseModel):
    """Whether requests can be served."""

    status: str
    """`ready` or `unready`."""
    reason: str | None
    """The first thing that is wrong."""
    checks: list[CheckAnswer]


@router.get("/healthz")
async def healthz() -> Alive:
    """Say that the process answers."""
    return Alive()


@router.get(
    "/readyz",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not ready; `reason` says why"}},
)
async def readyz(
    request: Request, database: DatabaseOf, renderer: RendererOf, settings: SettingsOf
) -> JSONResponse:
    """Say whether requests can be served, and what was looked at.

    The database answers, its tables are current, it can be written, there is room on the disk, and
    charts can be drawn; within a few seconds, or it is not ready.
    """
    state = request.app.state
    looking: asyncio.Task[list[Check]] | None = getattr(state, "looking", None)
    if looking is None or looking.done():  # else an earlier look hangs: no need for another thread
        looking = asyncio.create_task(
            anyio.to_thread.run_sync(
                look, database, renderer, settings, limiter=anyio.CapacityLimiter(1)
            )
        )
        state.looking = looking
    try:
        checks = await asyncio.wait_for(asyncio.shield(looking), PATIENCE)
    except TimeoutError:
        late = f"the checks did not end within {PATIENCE:g} s: the database hangs"
        return _answer([Check("time", False, late, PATIENCE)])
    return _answer(checks)


def _answer(checks: list[Check]) -> JSONResponse:
    wrong = next((one.detail for one in checks if not one.ok), None)
    found = {
        "status": "ready" if wrong is None else "unready",
        "reason": wrong,
        "checks": [asdict(one) for one in checks],
    }
    return JSONResponse(found, status_code=200 if wrong is None else 503)
