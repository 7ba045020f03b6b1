"""`/queue`."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.app_state import DatabaseOf
from service.problems import PROBLEMS
from service.queue.reading import view
from service.runners.schemas import QueueAnswer

router = APIRouter(tags=["queue"], responses={422: PROBLEMS[422]})


@router.get("/queue")
def queue(
    database: DatabaseOf,
    limit: Annotated[int, Query(ge=1, le=1000, description="Waiting studies to return.")] = 100,
) -> QueueAnswer:
    """Return the studies in training, those that wait in the order they will be taken, and why."""
    return QueueAnswer.model_validate(view(database, limit=limit))
