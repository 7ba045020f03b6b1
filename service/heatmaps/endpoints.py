"""`/studies/{id}/heatmap.*` and `/studies/{id}/robustness`."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
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


def _results(
    study_id: str,
    database: DatabaseOf,
    cache: ResultsOf,
    split: Annotated[Split, Query(description="Which data the scores come from.")] = Split.TEST,
    tolerance: Annotated[
        float,
        Query(
            gt=0,
            le=1e6,
            allow_inf_nan=False,
            description="ε of the tolerance set, in the metric's own unit: 0.01 is a point.",
        ),
    ] = DEFAULT_TOLERANCE,
) -> StudyResults:
    with database.read() as session:
        return cache.results(session, study_id, split=split, tolerance=tolerance)


def _figure(
    study_id: str,
    database: DatabaseOf,
    results: Annotated[StudyResults, Depends(_results)],
    theme: Annotated[Theme, Query(description="Colours of background and text.")] = Theme.LIGHT,
) -> dict[str, Any]:
    with database.read() as session:
        name = summary(session, study_id).name
    colours = charts.DARK if theme is Theme.DARK else charts.LIGHT
    return charts.heatmaps(results, title=name, theme=colours)


Results = Annotated[StudyResults, Depends(_results)]
Figure = Annotated[dict[str, Any], Depends(_figure)]
"""All maps as one Vega-Lite specification."""


@router.get("/heatmap.json", response_model=dict[str, Any])
def heatmap_json(results: Results) -> JSONResponse:
    """Return every optimizer's map, robustness row and best cell's curve."""
    return JSONResponse(to_json(results))


@router.get("/robustness", response_model=list[dict[str, Any]])
def robustness(results: Results) -> JSONResponse:
    """Return one row an optimizer: best, where, tolerance width and area, diverged trials."""
    return JSONResponse([asdict(row) for row in results.robustness])


@router.get("/heatmap.csv", response_class=PlainTextResponse)
def heatmap_csv(study_id: str, results: Results) -> Response:
    """Return one line a cell."""
    return _file(to_csv(results).encode(), "text/csv; charset=utf-8", study_id, "csv")


@router.get("/heatmap.svg", response_class=Response)
def heatmap_svg(study_id: str, figure: Figure, renderer: RendererOf) -> Response:
    """Return all maps as one figure, for a paper or a page."""
    return _file(renderer.render_svg(figure).encode(), "image/svg+xml", study_id, "svg")


@router.get("/heatmap.png", response_class=Response)
def heatmap_png(
    study_id: str,
    figure: Figure,
    renderer: RendererOf,
    scale: Annotated[float, Query(ge=0.5, le=4, description="Pixels a point.")] = 2.0,
) -> Response:
    """Return all maps as one figure, in pixels."""
    return _file(renderer.render_png(figure, scale), "image/png", study_id, "png")


def _file(body: bytes, kind: str, study_id: str, suffix: str) -> Response:
    disposition = f'inline; filename="study-{study_id}.{suffix}"'
    return Response(body, media_type=kind, headers={"Content-Disposition": disposition})
