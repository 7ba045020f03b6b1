"""The pages over records in memory: a whole small app, with events to send by hand."""

import json
from collections.abc import Iterator, Mapping, Sequence
from queue import Empty, Queue
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from dashboards.queries import BestScore
from dashboards.rendering import Renderer
from dashboards.verdict import best_rows
from dashboards.views import error_page, mount_static, pages
from service.comparison.model import Comparison
from service.comparison.studies import Across
from service.heatmaps.model import StudyResults
from service.queue.reading import QueueView
from service.schedules.model import Regression, ScheduleView
from service.search.model import SearchResults
from service.studies.model import StudyFilter, StudyPage, StudySummary

PAGE_SIZE = 20


class UnknownStudyError(Exception):
    """There is no such study."""


class Memory:
    """Studies and their results, as a test sets them."""

    def __init__(self, *studies: tuple[StudySummary, StudyResults | SearchResults]) -> None:
        self.studies = {study.id: (study, results) for study, results in studies}
        self.comparisons: dict[tuple[str, str | None], Comparison] = {}
        self.regressions: dict[str, Regression] = {}
        self.scheduled: Sequence[ScheduleView] = ()
        self.events: Queue[str | None] = Queue()
        self.closed = False
        self.queued = QueueView((), (), 0, ())

    def list_studies(self, wanted: StudyFilter, cursor: str | None) -> StudyPage:
        studies = [study for study, _ in self.studies.values()]
        found = [one for one in studies if not wanted.states or one.state in wanted.states]
        start = int(cursor or 0)
        more = start + PAGE_SIZE < len(found)
        return StudyPage(
            tuple(found[start : start + PAGE_SIZE]), str(start + PAGE_SIZE) if more else None
        )

    def queue(self) -> QueueView:
        return self.queued

    def regression(self, study_id: str) -> Regression | None:
        return self.regressions.get(study_id)

    def schedules(self) -> Sequence[ScheduleView]:
        return self.scheduled

    def study(self, study_id: str) -> StudySummary:
        return self._found(study_id)[0]

    def results(self, study_id: str) -> StudyResults:
        return self._found(study_id)[1]

    def search(self, study_id: str) -> SearchResults:
        return self._found(study_id)[1]

    def comparison(self, study_id: str, reference: str | None) -> Comparison | None:
        return self.comparisons.get((study_id, reference))

    def across(self, study_ids: Sequence[str]) -> Across:
        raise UnknownStudyError(", ".join(study_ids))

    def best_of(self, study_ids: Sequence[str]) -> Mapping[str, tuple[BestScore, ...]]:
        best = {}
        for study_id in study_ids:
            _, results = self._found(study_id)
            if isinstance(results, SearchResults):
                continue
            rows = [row for row in results.robustness if row.best is not None]
            scores = [BestScore(r.optimizer, r.title, r.best, results.metric) for r in rows]
            sign = -1 if results.metric.maximize else 1
            best[study_id] = tuple(sorted(scores, key=lambda found: sign * found.score))
            assert not rows or best[study_id][0].score == best_rows(rows, results.metric)[0].best
        return best

    def tell(self, *parts: str) -> None:
        """Send the event that these parts changed."""
        self.events.put(f"event: changed\ndata: {json.dumps({'parts': parts})}\n\n")

    def end(self) -> None:
        """Send the last event and close the stream."""
        self.events.put("event: ended\ndata: {}\n\n")
        self.events.put(None)

    def _found(self, study_id: str) -> tuple[StudySummary, Any]:
        if study_id not in self.studies:
            raise UnknownStudyError(study_id)
        return self.studies[study_id]


def app(memory: Memory, renderer: Renderer) -> FastAPI:
    """Pages, static files, errors and the events."""
    found = FastAPI(docs_url=None, redoc_url=None)
    mount_static(found)
    found.include_router(pages(memory, renderer))

    @found.exception_handler(UnknownStudyError)
    def unknown(request: Request, error: UnknownStudyError) -> Response:
        return error_page(404, "No such study", f"There is no study {error}.", request)

    @found.get("/api/v1/studies/{study_id}/events")
    def events(study_id: str) -> StreamingResponse:
        def stream() -> Iterator[str]:
            yield ": hello\n\n"
            while not memory.closed:
                try:
                    event = memory.events.get(timeout=0.2)
                except Empty:
                    continue
                if event is None:
                    return
                yield event

        return StreamingResponse(stream(), media_type="text/event-stream")

    return found
