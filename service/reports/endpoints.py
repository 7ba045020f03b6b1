"""`/studies/{id}/manifest` and `/studies/{id}/report.*`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from service.answers import Kind
from service.app_state import AnswersOf, ComparisonsOf, DatabaseOf, RendererOf
from service.comparison.endpoints import ReferenceOf
from service.conditional import NOT_CHANGED
from service.heatmaps.endpoints import CONFLICT, Results, content
from service.problems import NO_ROOM, PROBLEMS
from service.reports.content import Report, gather
from service.reports.manifest import write_manifest
from service.reports.rendering import to_html, to_latex, to_markdown

router = APIRouter(
    prefix="/studies/{study_id}", tags=["reports"], responses={**PROBLEMS, **NOT_CHANGED}
)

MANIFEST = Kind("manifest.json", "application/json")
HTML = Kind("report.html", "text/html; charset=utf-8")
MARKDOWN = Kind("report.md", "text/markdown; charset=utf-8")
LATEX = Kind("report.tex", "application/x-tex; charset=utf-8")
POLICY = {
    # It is opened by itself: its style is in it, and nothing else may run or be fetched.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


@router.get("/manifest", response_model=dict[str, Any], responses=NO_ROOM)
async def read_manifest(
    request: Request, study_id: str, answers: AnswersOf, database: DatabaseOf, renderer: RendererOf
) -> Response:
    """Return what it takes to check a study, or to repeat it: versions, the study in full, what
    sends it again, devices, seeds, data sets, every trial, and a hash of the results."""

    def write(path: Path) -> int:
        return renderer.aside(write_manifest, database.address, study_id, path)

    return await answers.give_file(request, MANIFEST, study_id, write)


async def _report(
    view: Results,
    kind: Kind,
    comparisons: ComparisonsOf,
    reference: str | None,
    write: Callable[[Report], bytes],
    base: str = "",
) -> Response:
    """Answer with a report; `base` is the address of this service, where that is in it."""

    def make(session: Session) -> Callable[[], bytes]:
        found = gather(
            session,
            view.study_id,
            view.results,
            comparisons,
            reference=reference,
            split=view.split,
            tolerance=view.tolerance,
        )
        return lambda: write(found)

    about = (reference, view.split, view.tolerance, base)
    return await view.answers.give(view.request, kind, [view.study_id], about, make)


@router.get(
    "/report.html", response_class=Response, responses={**CONFLICT, **content(HTML, "A page")}
)
async def report_html(
    view: Results, comparisons: ComparisonsOf, renderer: RendererOf, reference: ReferenceOf = None
) -> Response:
    """Return a report as one page that needs nothing else: verdict, table, figures."""
    answer = await _report(
        view, HTML, comparisons, reference, lambda found: to_html(found, renderer).encode()
    )
    answer.headers.update(POLICY)
    return answer


@router.get(
    "/report.md",
    response_class=Response,
    responses={**CONFLICT, **content(MARKDOWN, "Markdown")},
)
async def report_markdown(
    view: Results, comparisons: ComparisonsOf, reference: ReferenceOf = None
) -> Response:
    """Return a report in Markdown; its figures are addresses of this service."""
    base = str(view.request.base_url)
    return await _report(
        view,
        MARKDOWN,
        comparisons,
        reference,
        lambda found: to_markdown(found, base).encode(),
        base,
    )


@router.get(
    "/report.tex", response_class=Response, responses={**CONFLICT, **content(LATEX, "LaTeX")}
)
async def report_latex(
    view: Results, comparisons: ComparisonsOf, reference: ReferenceOf = None
) -> Response:
    """Return a report in LaTeX, with booktabs: a document that compiles, and whose table and
    figure can be copied. The figure is `heatmap.pdf`, saved beside it."""
    return await _report(
        view, LATEX, comparisons, reference, lambda found: to_latex(found).encode()
    )
