"""`/studies/{id}/heatmap.*` and `/studies/{id}/robustness`."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from dashboards import charts
from service.app_state import DatabaseOf, RendererOf, ResultsOf
from service.heatmaps.exports import to_csv, to_json
from service.heatmaps.model import StudyResults
from service.heatmaps.queries import DEFAULT_TOLERANCE
from service.problems import PROBLEMS
from service.studies.queries import summary

router = APIRouter(prefix="/studies/{study_id}", tags=["heatmaps"], responses=PROBLEMS)


class Split(StrEnum):
    """Which data the scores come from. The best cell is chosen on validation in either case."""

    TEST = "test"
    VALIDATION = "validation"


class Theme(StrEnum):
    """Colours of a picture's background and text."""

    LIGHT = "light"
    DARK = "dark"


SplitOf = Annotated[Split, Query(description="Which data the scores come from.")]
ToleranceOf = Annotated[
    float,
    Query(
        gt=0,
        le=1e6,
        allow_inf_nan=False,
        description="ε of the tolerance set, in the metric's own unit: 0.01 is a point.",
    ),
]
ThemeOf = Annotated[Theme, Query(description="Colours of background and text.")]


@router.get("/heatmap.json", response_model=dict[str, Any])
def heatmap_json(
    study_id: str,
    database: DatabaseOf,
    cache: ResultsOf,
    split: SplitOf = Split.TEST,
    tolerance: ToleranceOf = DEFAULT_TOLERANCE,
) -> JSONResponse:
    """Return every optimizer's map, robustness row and best cell's curve."""
    with database.read() as session:
        results = cache.results(session, study_id, split=split, tolerance=tolerance)
    return JSONResponse(to_json(results))


@router.get("/robustness", response_model=list[dict[str, Any]])
def robustness(
    study_id: str,
    database: DatabaseOf,
    cache: ResultsOf,
    split: SplitOf = Split.TEST,
    tolerance: ToleranceOf = DEFAULT_TOLERANCE,
) -> JSONResponse:
    """Return one row an optimizer: best, where, tolerance width and area, diverged trials."""
    with database.read() as session:
        results = cache.results(session, study_id, split=split, tolerance=tolerance)
    return JSONResponse([asdict(row) for row in results.robustness])


@router.get("/heatmap.csv", response_class=PlainTextResponse)
def heatmap_csv(
    study_id: str,
    database: DatabaseOf,
    cache: ResultsOf,
    split: SplitOf = Split.TEST,
    tolerance: ToleranceOf = DEFAULT_TOLERANCE,
) -> Response:
    """Return one line a cell."""
    with database.read() as session:
        results = cache.results(session, study_id, split=split, tolerance=tolerance)
    return _download(to_csv(results).encode(), "text/csv; charset=utf-8", study_id, "csv")


@router.get("/heatmap.svg", response_class=Response)
def heatmap_svg(
    study_id: str,
    database: DatabaseOf,
    cache: ResultsOf,
    renderer: RendererOf,
    split: SplitOf = Split.TEST,
    tolerance: ToleranceOf = DEFAULT_TOLERANCE,
    theme: ThemeOf = Theme.LIGHT,
) -> Response:
    """Return all maps as one figure, for a paper or a page."""
    with database.read() as session:
        results = cache.results(session, study_id, split=split, tolerance=tolerance)
        name = summary(session, study_id).name
    picture = renderer.render_svg(_figure(results, name, theme))
    return _download(picture.encode(), "image/svg+xml", study_id, "svg")


@router.get("/heatmap.png", response_class=Response)
def heatmap_png(
    study_id: str,
    database: DatabaseOf,
    cache: ResultsOf,
    renderer: RendererOf,
    split: SplitOf = Split.TEST,
    tolerance: ToleranceOf = DEFAULT_TOLERANCE,
    theme: ThemeOf = Theme.LIGHT,
    scale: Annotated[float, Query(ge=0.5, le=4, description="Pixels a point.")] = 2.0,
) -> Response:
    """Return all maps as one figure, in pixels."""
    with database.read() as session:
        results = cache.results(session, study_id, split=split, tolerance=tolerance)
        name = summary(session, study_id).name
    picture = renderer.render_png(_figure(results, name, theme), scale)
    return _download(picture, "image/png", study_id, "png")


def _figure(results: StudyResults, name: str, theme: Theme) -> dict[str, Any]:
    colours = charts.DARK if theme is Theme.DARK else charts.LIGHT
    return charts.heatmaps(results, title=name, theme=colours)


def _download(body: bytes, kind: str, study_id: str, suffix: str) -> Response:
    disposition = f'inline; filename="study-{study_id}.{suffix}"'
    return Response(body, media_type=kind, headers={"Content-Disposition": disposition})
