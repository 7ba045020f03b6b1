"""`/studies/{id}/heatmap.*`, `/studies/{id}/robustness` and `/studies/{id}/trials.*`.

Answers are made once for a state of the study, kept, and sent with an entity tag.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from dashboards import charts
from dashboards.charts.theme import Theme as Colours
from service.answers import Answers, Kind
from service.app_state import AnswersOf, DatabaseOf, RendererOf, ResultsOf
from service.conditional import NOT_CHANGED
from service.heatmaps import parquet, trial_files
from service.heatmaps.exports import to_columns, to_csv, to_json
from service.heatmaps.model import StudyResults
from service.heatmaps.queries import DEFAULT_TOLERANCE, ResultsCache
from service.problems import NO_ROOM, PROBLEMS
from service.studies.repository import row
from workers.contracts import ENGINE_VERSION

CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {**PROBLEMS[422], "description": "The study is a search, which has no map"}
}

router = APIRouter(
    prefix="/studies/{study_id}", tags=["heatmaps"], responses={**PROBLEMS, **NOT_CHANGED}
)


def kind(suffix: str, media_type: str, **options: bool) -> Kind:
    """Name a form of a heatmap."""
    return Kind(f"heatmap.{suffix}", media_type, **options)


JSON = kind("json", "application/json")
CSV = kind("csv", "text/csv; charset=utf-8")
PARQUET = kind("parquet", "application/vnd.apache.parquet", compress=False)
SVG = kind("svg", "image/svg+xml")
PNG = kind("png", "image/png", compress=False)
PDF = kind("pdf", "application/pdf", compress=False)
VEGA_LITE = kind("vl.json", "application/vnd.vegalite.v5+json")
ROBUSTNESS = Kind("robustness.json", "application/json")
CURVES = Kind("curves.json", "application/json")
TRIALS_CSV = Kind("trials.csv", "text/csv; charset=utf-8", compress=False)
TRIALS_PARQUET = Kind("trials.parquet", "application/vnd.apache.parquet", compress=False)


class Split(StrEnum):
    """Which data the scores come from. The best cell is chosen on validation in either case."""

    TEST = "test"
    VALIDATION = "validation"


class Theme(StrEnum):
    """Colours of a picture's background and text."""

    LIGHT = "light"
    DARK = "dark"

    @property
    def colours(self) -> Colours:
        """The colours themselves."""
        return charts.DARK if self is Theme.DARK else charts.LIGHT


@dataclass(frozen=True)
class View:
    """How a study's results are wanted, and where they come from."""

    request: Request
    answers: Answers
    results: ResultsCache
    study_id: str
    split: Split
    tolerance: float

    async def give(
        self,
        wanted: Kind,
        encode: Callable[[StudyResults, str], bytes],
        *parameters: object,
    ) -> Response:
        """Answer with the study's results.

        Args:
            wanted: In which form.
            encode: Makes it of the results and the study's name, in a thread.
            parameters: Whatever else determines it.
        """

        def make(session: Session) -> Callable[[], bytes]:
            found = self.results.results(
                session, self.study_id, split=self.split, tolerance=self.tolerance
            )
            name = row(session, self.study_id).name
            return lambda: encode(found, name)

        about = (self.split, self.tolerance, *parameters)
        return await self.answers.give(self.request, wanted, [self.study_id], about, make)


Tolerance = Annotated[
    float,
    Query(
        gt=0,
        le=1e6,
        allow_inf_nan=False,
        description="ε of the tolerance set, in the metric's own unit: 0.01 is a point.",
    ),
]


async def _view(
    request: Request,
    study_id: str,
    answers: AnswersOf,
    results: ResultsOf,
    split: Annotated[Split, Query(description="Which data the scores come from.")] = Split.TEST,
    tolerance: Tolerance = DEFAULT_TOLERANCE,
) -> View:
    return View(request, answers, results, study_id, split, tolerance)


Results = Annotated[View, Depends(_view)]
ThemeOf = Annotated[Theme, Query(description="Colours of background and text.")]
Scale = Annotated[float, Query(ge=0.5, le=4, description="Pixels a point.")]


def encoded(data: Any) -> bytes:
    """Return JSON as it is sent."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def content(of: Kind, description: str) -> dict[int | str, dict[str, Any]]:
    """Document an answer that is a file."""
    return {200: {"description": description, "content": {of.media_type.split(";")[0]: {}}}}


@router.get("/heatmap.json", response_model=dict[str, Any], responses=CONFLICT)
async def heatmap_json(view: Results) -> Response:
    """Return every optimizer's map, robustness row and best cell's curve."""
    return await view.give(JSON, lambda results, _: encoded(to_json(results)))


@router.get("/robustness", response_model=list[dict[str, Any]], responses=CONFLICT)
async def robustness(view: Results) -> Response:
    """Return one row an optimizer: best, where, tolerance width and area, diverged trials."""
    return await view.give(
        ROBUSTNESS, lambda results, _: encoded([vars(one) for one in results.robustness])
    )


@router.get("/curves", response_model=list[dict[str, Any]], responses=CONFLICT)
async def curves(view: Results) -> Response:
    """Return the learning curve of each optimizer's best cell: mean and interval over seeds."""
    return await view.give(
        CURVES, lambda results, _: encoded([vars(one) for one in results.curves])
    )


@router.get(
    "/heatmap.csv",
    response_class=Response,
    responses={**CONFLICT, **content(CSV, "One line a cell")},
)
async def heatmap_csv(view: Results) -> Response:
    """Return one line a cell."""
    return await view.give(CSV, lambda results, _: to_csv(results).encode())


@router.get(
    "/heatmap.parquet",
    response_class=Response,
    responses={**CONFLICT, **content(PARQUET, "One row a cell")},
)
async def heatmap_parquet(view: Results, renderer: RendererOf) -> Response:
    """Return one row a cell, typed; the file's metadata names study, metric and versions."""

    def encode(results: StudyResults, name: str) -> bytes:
        about = {
            **origin(view.study_id, name),
            "metric": vars(results.metric),
            "tolerance": results.tolerance,
        }
        return renderer.aside(parquet.cells, to_columns(results), about)

    return await view.give(PARQUET, encode)


@router.get(
    "/heatmap.vl.json",
    response_class=Response,
    responses={**CONFLICT, **content(VEGA_LITE, "A Vega-Lite specification, its data included")},
)
async def heatmap_vega_lite(view: Results, theme: ThemeOf = Theme.LIGHT) -> Response:
    """Return the figure as a Vega-Lite specification, which the Vega editor opens."""
    return await view.give(
        VEGA_LITE,
        lambda results, name: encoded(charts.heatmaps(results, title=name, theme=theme.colours)),
        theme,
    )


@router.get(
    "/heatmap.svg", response_class=Response, responses={**CONFLICT, **content(SVG, "A picture")}
)
async def heatmap_svg(
    view: Results, renderer: RendererOf, theme: ThemeOf = Theme.LIGHT
) -> Response:
    """Return all maps as one figure, for a paper or a page."""

    def encode(results: StudyResults, name: str) -> bytes:
        figure = charts.heatmaps(results, title=name, theme=theme.colours)
        return renderer.render_svg(figure).encode()

    return await view.give(SVG, encode, theme)


@router.get(
    "/heatmap.pdf", response_class=Response, responses={**CONFLICT, **content(PDF, "A picture")}
)
async def heatmap_pdf(
    view: Results, renderer: RendererOf, theme: ThemeOf = Theme.LIGHT
) -> Response:
    """Return all maps as one figure, for a paper: a page as large as the figure."""

    def encode(results: StudyResults, name: str) -> bytes:
        figure = charts.heatmaps(results, title=name, theme=theme.colours)
        return renderer.render_pdf(figure)

    return await view.give(PDF, encode, theme)


@router.get(
    "/heatmap.png", response_class=Response, responses={**CONFLICT, **content(PNG, "A picture")}
)
async def heatmap_png(
    view: Results, renderer: RendererOf, theme: ThemeOf = Theme.LIGHT, scale: Scale = 2.0
) -> Response:
    """Return all maps as one figure, in pixels."""

    def encode(results: StudyResults, name: str) -> bytes:
        figure = charts.heatmaps(results, title=name, theme=theme.colours)
        return renderer.render_png(figure, scale)

    return await view.give(PNG, encode, theme, scale)


@router.get(
    "/trials.csv",
    response_class=Response,
    responses={**NO_ROOM, **content(TRIALS_CSV, "One line a trial")},
)
async def trials_csv(
    request: Request, study_id: str, answers: AnswersOf, database: DatabaseOf, renderer: RendererOf
) -> Response:
    """Return one line a trial, of a grid or a search, with its settings and last scores."""

    def write(path: Path) -> int:
        return renderer.aside(trial_files.write_csv, database.address, study_id, path)

    return await answers.give_file(request, TRIALS_CSV, study_id, write)


@router.get(
    "/trials.parquet",
    response_class=Response,
    responses={**NO_ROOM, **content(TRIALS_PARQUET, "One row a trial")},
)
async def trials_parquet(
    request: Request, study_id: str, answers: AnswersOf, database: DatabaseOf, renderer: RendererOf
) -> Response:
    """Return one row a trial, typed; the file's metadata names study and versions."""

    def write(path: Path) -> int:
        with database.read() as session:
            about = origin(study_id, row(session, study_id).name)
        return renderer.aside(trial_files.write_parquet, database.address, study_id, path, about)

    return await answers.give_file(request, TRIALS_PARQUET, study_id, write)


def origin(study_id: str, name: str) -> dict[str, Any]:
    """Say where a file comes from."""
    versions = {"lpwd": version("lpwd"), "engine": ENGINE_VERSION}
    return {"study": study_id, "name": name, "versions": versions}
