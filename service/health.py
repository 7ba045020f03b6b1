"""`/healthz` and `/readyz`."""

from alembic.script.revision import RevisionError
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from service.app_state import DatabaseOf
from service.db.schema import pending

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "Not ready; `reason` says why"}})
def readyz(database: DatabaseOf) -> JSONResponse:
    """Say whether requests can be served: the database answers and its tables are current."""
    try:
        missing = pending(database)
    except SQLAlchemyError as error:
        return _unready(f"the database does not answer: {type(error).__name__}")
    except RevisionError:
        return _unready("the database has a migration that this version does not know")
    if missing:
        return _unready(f"the database lacks {len(missing)} migrations: run `lpwd db upgrade`")
    return JSONResponse({"status": "ready"})


def _unready(reason: str) -> JSONResponse:
    return JSONResponse({"status": "unready", "reason": reason}, status_code=503)
