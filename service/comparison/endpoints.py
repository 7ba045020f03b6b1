"""`/studies/{id}/comparison` and `/studies/{id}/difference.*`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.orm import Session

from dashboards import charts
from service.answers import Kind
from service.app_state import ComparisonsOf, RendererOf
from service.comparison.exports import to_csv, to_json
from service.comparison.model import Comparison
from service.comparison.queries import Comparisons
from service.conditional import NOT_CHANGED
from service.heatmaps.endpoints import (
    CONFLICT,
    Results,
    Scale,
    ThemeOf,
    View,
    content,
    encoded,
)
from service.heatmaps.endpoints import Theme as ThemeName
from service.problems import PROBLEMS
from service.studies.repository import row

router = APIRouter(
    prefix="/studies/{study_id}",
    tags=["comparison"],
    responses={**PROBLEMS, **NOT_CHANGED, **CONFLICT},
)


def kind(suffix: str, media_type: str, **options: bool) -> Kind:
    """Name a form of a difference map."""
    return Kind(f"difference.{suffix}", media_type, **options)


COMPARISON = Kind("comparison.json", "application/json")
JSON = kind("json", "application/json")
CSV = kind("csv", "text/csv; charset=utf-8")
SVG = kind("svg", "image/svg+xml")
PNG = kind("png", "image/png", compress=False)
PDF = kind("pdf", "application/pdf", compress=False)
VEGA_LITE = kind("vl.json", "application/vnd.vegalite.v5+json")


@dataclass(frozen=True)
class Wanted:
    """Which comparison is wanted."""

    view: View
    comparisons: Comparisons
    reference: str | None

    async def give(
        self, form: Kind, encode: Callable[[Comparison, str], bytes], *parameters: object
    ) -> Response:
        """Answer with the comparison.

        Args:
            form: In which form.
            encode: Makes it of the comparison and the study's name, in a thread.
            parameters: Whatever else determines it.
        """
        view = self.view

        def make(session: Session) -> Callable[[], bytes]:
            found = self.comparisons.read(
                session, view.study_id, self.reference, split=view.split, tolerance=view.tolerance
            )
            name = row(session, view.study_id).name
            return lambda: encode(found, name)

        about = (self.reference, view.split, view.tolerance, *parameters)
        return await view.answers.give(view.request, form, [view.study_id], about, make)


ReferenceOf = Annotated[
    str | None,
    Query(
        max_length=100,
        description="Label of the optimizer that the others are compared with; AdamW or SGDW "
        "by default, else a baseline.",
    ),
]


async def _wanted(
    view: Results, comparisons: ComparisonsOf, reference: ReferenceOf = None
) -> Wanted:
    return Wanted(view, comparisons, reference)


WantedOf = Annotated[Wanted, Depends(_wanted)]


@router.get("/comparison", response_model=dict[str, Any])
async def comparison(wanted: WantedOf) -> Response:
    """Compare every optimizer with a reference: each cell, and best, width and area of the map.

    Differences are paired, over shared seeds, with 95 % intervals and tests; below six seeds
    nothing is called significant, and p values are adjusted for how many comparisons there are.
    """
    return await wanted.give(COMPARISON, lambda found, _: encoded(to_json(found)))


@router.get("/difference.json", response_model=dict[str, Any])
async def difference_json(wanted: WantedOf) -> Response:
    """Return the same as `comparison`, beside the other forms of the map."""
    return await wanted.give(JSON, lambda found, _: encoded(to_json(found)))


@router.get("/difference.csv", response_class=Response, responses=content(CSV, "One line a cell"))
async def difference_csv(wanted: WantedOf) -> Response:
    """Return one line a cell and optimizer."""
    return await wanted.give(CSV, lambda found, _: to_csv(found).encode())


def _figure(found: Comparison, name: str, theme: ThemeName) -> dict[str, Any]:
    return charts.difference_figure(found, title=name, theme=theme.colours)


@router.get(
    "/difference.vl.json",
    response_class=Response,
    responses=content(VEGA_LITE, "A Vega-Lite specification, its data included"),
)
async def difference_vega_lite(wanted: WantedOf, theme: ThemeOf = ThemeName.LIGHT) -> Response:
    """Return the figure as a Vega-Lite specification, which the Vega editor opens."""
    return await wanted.give(
        VEGA_LITE, lambda found, name: encoded(_figure(found, name, theme)), theme
    )


@router.get("/difference.svg", response_class=Response, responses=content(SVG, "A picture"))
async def difference_svg(
    wanted: WantedOf, renderer: RendererOf, theme: ThemeOf = ThemeName.LIGHT
) -> Response:
    """Return all maps of differences as one figure: orange is worse, blue is better."""
    return await wanted.give(
        SVG, lambda found, name: renderer.render_svg(_figure(found, name, theme)).encode(), theme
    )


@router.get("/difference.pdf", response_class=Response, responses=content(PDF, "A picture"))
async def difference_pdf(
    wanted: WantedOf, renderer: RendererOf, theme: ThemeOf = ThemeName.LIGHT
) -> Response:
    """Return the figure for a paper."""
    return await wanted.give(
        PDF, lambda found, name: renderer.render_pdf(_figure(found, name, theme)), theme
    )


@router.get("/difference.png", response_class=Response, responses=content(PNG, "A picture"))
async def difference_png(
    wanted: WantedOf,
    renderer: RendererOf,
    theme: ThemeOf = ThemeName.LIGHT,
    scale: Scale = 2.0,
) -> Response:
    """Return the figure in pixels."""
    return await wanted.give(
        PNG,
        lambda found, name: renderer.render_png(_figure(found, name, theme), scale),
        theme,
        scale,
    )
