"""`/studies/{id}/events`: what changed, as Server-Sent Events."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from service.app_state import DatabaseOf, MetricsOf, WatcherOf
from service.db import Database
from service.db.tables.studies import StudyRow
from service.events.repository import SUMMARIES, Event, panel, revision, since
from service.problems import PROBLEMS
from service.search.parts import SEARCH_SUMMARIES, plane
from service.search.planning import MODE, SearchSpec
from service.studies.planning import StudySpec
from service.studies.repository import row

router = APIRouter(tags=["events"], responses=PROBLEMS)


def _existing(study_id: str, database: DatabaseOf) -> str:
    with database.read() as session:
        return row(session, study_id).id


@router.get("/studies/{study_id}/events", response_class=EventSourceResponse)
async def events(
    study_id: Annotated[str, Depends(_existing)],
    request: Request,
    database: DatabaseOf,
    watcher: WatcherOf,
    metrics: MetricsOf,
    last_event_id: Annotated[
        str | None, Header(description="The last event seen: the stream goes on after it.")
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Tell what changes in a study, until it ends.

    `changed` carries `{"parts": […]}`: `header`, `robustness`, `curves`, `panel:<optimizer>`; of a
    search `header`, `best`, `trace`, `importance`, `plane:<optimizer>`.
    A stream without `Last-Event-ID` begins with all parts. `ended` is the last event.
    """
    newest, parts = await run_in_threadpool(_everything, database, study_id)
    last = _number(last_event_id)
    metrics.listen(1)
    try:
        async with watcher.listen(study_id) as channel:
            if last is None or last > newest:  # not a number of this study's
                last = newest
                yield ServerSentEvent(event="changed", id=str(last), data={"parts": parts})
            # When the service ends, so does the stream; the client asks again and gets the rest.
            while not request.app.state.stopping.is_set():
                fresh, final = channel.after(last), channel.final
                if fresh is None:
                    fresh, final = await run_in_threadpool(_news, database, study_id, last)
                if fresh:
                    last = fresh[-1].id
                    parts = sorted({part for event in fresh for part in event.parts})
                    yield ServerSentEvent(event="changed", id=str(last), data={"parts": parts})
                elif final:
                    yield ServerSentEvent(event="ended", id=str(last), data={})
                    return
                else:
                    await channel.wait()
    finally:
        metrics.listen(-1)


def _number(last_event_id: str | None) -> int | None:
    """Read the number of an event, as clients send it back."""
    if last_event_id and len(last_event_id) < 20 and last_event_id.isdecimal():
        return int(last_event_id)
    return None


def _everything(database: Database, study_id: str) -> tuple[int, list[str]]:
    """Return the number of the study's last event, and every part it has."""
    with database.read() as session:
        return revision(session, study_id), _parts(row(session, study_id).spec)


def _parts(spec: Mapping[str, Any]) -> list[str]:
    """Name every part of a study's page."""
    if spec.get("mode") == MODE:
        return [*SEARCH_SUMMARIES, *map(plane, SearchSpec.from_json(spec).labels)]
    return [*SUMMARIES, *(panel(one.label) for one in StudySpec.from_json(spec).variants)]


def _news(database: Database, study_id: str, last: int) -> tuple[list[Event], bool]:
    """Return what came after `last`, and whether nothing more will."""
    with database.read() as session:
        study = session.get(StudyRow, study_id)
        return since(session, study_id, last), study is None or study.state.final
