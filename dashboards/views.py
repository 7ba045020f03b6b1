"""The pages. One is a template and a function here that fills it.

Each endpoint is synchronous, so that FastAPI runs it in a thread: it reads the database and waits
for pictures.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from dashboards import formatting
from dashboards.api_reference import describe
from dashboards.charts import PAGE, Theme, heatmap, learning_curves, scale, wording
from dashboards.charts.key import key
from dashboards.charts.theme import Spec
from dashboards.compare_view import compare_context
from dashboards.difference_view import difference_context
from dashboards.filtering import FilterForm, filter_form
from dashboards.parts import DIFFERENCE, PANEL, PLANE, all_parts, search_parts
from dashboards.queries import Queries
from dashboards.regression_view import regression_context
from dashboards.rendering import Renderer
from dashboards.search_view import search_context
from dashboards.security import SECURITY_HEADERS
from dashboards.tables import interval_glyph
from dashboards.trend import trend
from dashboards.verdict import confound, honesty, verdict
from dashboards.viewer import VIEWER
from service.heatmaps.model import StudyResults
from service.queue.reading import QueueView
from service.search.model import StudyMode
from service.studies.model import StudyOrder, StudyPage, StudyState, StudySummary

HERE: Final = Path(__file__).parent


class RevalidatedFiles(StaticFiles):
    """Static files that a browser keeps, and asks about by ETag before it uses them again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, marked for revalidation."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def mount_static(app: FastAPI) -> None:
    """Serve the stylesheet, script and icon under ``/static``."""
    app.mount("/static", RevalidatedFiles(directory=HERE / "static"), name="static")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["only_set"] = _only_set
    environment.globals.update(
        formatting=formatting,
        wording=wording,
        states=tuple(StudyState),
        viewer=VIEWER.get,
        interval_glyph=interval_glyph,
    )
    return environment


def _only_set(parameters: Mapping[str, object]) -> dict[str, object]:
    """Query parameters without those that are None or empty."""
    return {name: value for name, value in parameters.items() if value}


TEMPLATES: Final = _environment()


def render(template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A template as an answer that no other site can meddle with."""
    text = TEMPLATES.get_template(template).render(now=datetime.now(UTC), **context)
    return HTMLResponse(text, status, headers={**SECURITY_HEADERS, "Cache-Control": "no-cache"})


def error_page(status: int, title: str, detail: str, request: Request) -> HTMLResponse:
    """The page for whatever went wrong, in the words of its problem document."""
    return render(
        "error.html", status, code=status, title=title, detail=detail, path=request.scope["path"]
    )


Form = Annotated[FilterForm, Depends(filter_form)]


def pages(queries: Queries, renderer: Renderer) -> APIRouter:
    """Every page and fragment."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_lists(router, queries)
    _add_studies(router, queries, renderer)

    @router.get("/docs")
    def docs(request: Request) -> HTMLResponse:
        return render("docs.html", resources=describe(request.app.openapi()))

    return router


def _add_lists(router: APIRouter, queries: Queries) -> None:
    """Add the pages of many studies: their list, the queue and the schedules."""

    def listed(form: FilterForm, cursor: str | None) -> dict[str, Any]:
        page = queries.list_studies(form.filter(), cursor)
        return studies_context(page, form, cursor, queries)

    @router.get("/")
    def studies(request: Request, form: Form, cursor: str | None = None) -> HTMLResponse:
        base = str(request.base_url).rstrip("/")
        return render("studies.html", base=base, **listed(form, cursor))

    @router.get("/fragments/studies")
    def studies_table(form: Form, cursor: str | None = None) -> HTMLResponse:
        return render("fragments/studies.html", **listed(form, cursor))

    @router.get("/queue")
    def queue() -> HTMLResponse:
        return render("queue.html", **queue_context(queries.queue()))

    @router.get("/schedules")
    def schedules() -> HTMLResponse:
        return render("schedules.html", **schedules_context(queries))

    @router.get("/fragments/queue")
    def queue_tables() -> HTMLResponse:
        return render("fragments/queue.html", **queue_context(queries.queue()))


def _add_studies(router: APIRouter, queries: Queries, renderer: Renderer) -> None:
    """Add the pages of a study, and of several compared."""

    def drawn(spec: Spec) -> Markup:
        return drawing(spec, renderer)

    def against(study_id: str, reference: str | None, results: StudyResults) -> dict[str, Any]:
        compared = queries.comparison(study_id, reference) if results.curves else None
        return difference_context(compared, results, drawn)

    @router.get("/compare")
    def compare(study: Annotated[list[str], Query()] = []) -> HTMLResponse:  # noqa: B006 - FastAPI copies
        return render("compare.html", **compare_context(queries.across(study), drawn))

    @router.get("/studies/{study_id}")
    def study(study_id: str, reference: str | None = None) -> HTMLResponse:
        found = queries.study(study_id)
        if found.mode is StudyMode.SEARCH:
            context = search_context(found, queries.search(study_id), drawn)
            return render("search.html", **context)
        results = queries.results(study_id)
        return render(
            "study.html",
            **study_context(found, results, renderer),
            **against(study_id, reference, results),
            **regression_context(queries.regression(study_id), study_id, results),
        )

    @router.get("/studies/{study_id}/fragments/{parts}")
    def fragments(
        study_id: str, parts: str, request: Request, reference: str | None = None
    ) -> HTMLResponse:
        names = dict.fromkeys(parts.split(","))
        found = queries.study(study_id)
        if found.mode is StudyMode.SEARCH:
            results = queries.search(study_id)
            context = search_context(found, results, drawn)
            known, template = search_parts(results), "fragments/search/parts.html"
        else:
            context = study_context(found, queries.results(study_id), renderer)
            known, template = all_parts(context["results"]), "fragments/parts.html"
            if DIFFERENCE in names:
                context |= against(study_id, reference, context["results"])
        unknown = names.keys() - set(known)
        if unknown:
            detail = f"A study page has no part {min(unknown)!r}."
            return error_page(404, "No such part", detail, request)
        return render(
            template, names=tuple(names), panel_prefix=PANEL, plane_prefix=PLANE, **context
        )


def queue_context(queue: QueueView) -> dict[str, Any]:
    """What the page of the queue shows."""
    return {
        "queue": queue,
        "names": {entry.study_id: entry.name for entry in queue.running},
        "runners_up": any(runner.up for runner in queue.runners),
    }


def schedules_context(queries: Queries) -> dict[str, Any]:
    """What the page of schedules shows."""
    found = queries.schedules()
    best = queries.best_of([sent.study_id for one in found for sent in one.sent])
    return {"schedules": found, "trends": {one.id: trend(one, best) for one in found}}


def studies_context(
    page: StudyPage, form: FilterForm, cursor: str | None, queries: Queries
) -> dict[str, Any]:
    """What the list of studies shows."""
    return {
        "page": page,
        "form": form,
        "orders": tuple(StudyOrder),
        "cursor": cursor,
        "best": queries.best_of([study.id for study in page.items]),
        "live": any(not study.state.final for study in page.items),
    }


def study_context(
    study: StudySummary, results: StudyResults, renderer: Renderer, theme: Theme = PAGE
) -> dict[str, Any]:
    """What a study's page, and each of its parts, shows. Charts are drawn where a template asks."""
    return {
        "study": study,
        "results": results,
        "metric": results.metric,
        "live": not study.state.final,
        "key": key(results),
        "scale": "{} {}".format(*scale.ends(results)),
        "ramp": scale.captions(results),
        "verdict": verdict(results),
        "honesty": honesty(results.seeds),
        "confound": confound(results),
        "draw_heatmap": lambda found: drawing(heatmap(found, results, theme=theme), renderer),
        "draw_curves": lambda: drawing(learning_curves(results, theme), renderer),
    }


def drawing(spec: Spec, renderer: Renderer) -> Markup:
    """A chart as a template takes it in: the renderer escapes every text it writes."""
    return Markup(renderer.render_svg(spec))  # noqa: S704 - not text but a drawing
