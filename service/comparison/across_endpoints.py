"""`/compare` and its pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from dashboards import charts
from service.answers import Answers, Kind
from service.app_state import AnswersOf, RendererOf, ResultsOf
from service.comparison.across_queries import read_across
from service.comparison.exports import to_json
from service.comparison.studies import MOST, Across
from service.conditional import NOT_CHANGED
from service.errors import InvalidRequestError
from service.heatmaps.endpoints import (
    CONFLICT,
    Scale,
    Split,
    ThemeOf,
    Tolerance,
    content,
    encoded,
)
from service.heatmaps.endpoints import Theme as ThemeName
from service.heatmaps.queries import DEFAULT_TOLERANCE, ResultsCache
from service.problems import PROBLEMS, problems

UNKNOWN = problems(not_found="There is no such study")
router = APIRouter(
    tags=["comparison"], responses={**PROBLEMS, **NOT_CHANGED, **CONFLICT, **UNKNOWN}
)

JSON = Kind("compare.json", "application/json")
SVG = Kind("compare.svg", "image/svg+xml")
PNG = Kind("compare.png", "image/png", compress=False)


@dataclass(frozen=True)
class Wanted:
    """Which studies are compared."""

    request: Request
    answers: Answers
    results: ResultsCache
    study_ids: tuple[str, ...]
    split: Split
    tolerance: float

    async def give(
        self, form: Kind, encode: Callable[[Across], bytes], *parameters: object
    ) -> Response:
        """Answer with the comparison.

        Args:
            form: In which form.
            encode: Makes it, in a thread.
            parameters: Whatever else determines it.
        """

        def make(session: Session) -> Callable[[], bytes]:
            found = read_across(
                session,
                self.results,
                self.study_ids,
                split=self.split,
                tolerance=self.tolerance,
            )
            return lambda: encode(found)

        about = (self.split, self.tolerance, *parameters)
        return await self.answers.give(self.request, form, self.study_ids, about, make)


async def _wanted(
    request: Request,
    answers: AnswersOf,
    results: ResultsOf,
    study: Annotated[
        list[Annotated[str, Query(max_length=64)]],
        Query(
            min_length=1,
            max_length=MOST,
            description="Ids of studies of one task, from two to ten; the others are compared "
            "with the first.",
        ),
    ],
    split: Annotated[Split, Query(description="Which data the scores come from.")] = Split.TEST,
    tolerance: Tolerance = DEFAULT_TOLERANCE,
) -> Wanted:
    return Wanted(request, answers, results, tuple(dict.fromkeys(study)), split, tolerance)


WantedOf = Annotated[Wanted, Depends(_wanted)]


def across_json(found: Across) -> dict[str, Any]:
    """Return a comparison as JSON-able data."""
    return {
        "task": found.task,
        "metric": vars(found.metric),
        "tolerance": found.tolerance,
        "studies": [
            {
                "id": study.id,
                "name": study.name,
                "state": study.state,
                "trials": study.trials,
                "finished": study.finished,
                "robustness": [vars(row) for row in results.robustness],
            }
            for study, results in zip(found.studies, found.results, strict=True)
        ],
        "distinctions": [vars(one) for one in found.distinctions],
        "comparison": None if found.comparison is None else to_json(found.comparison),
    }


def figure(found: Across, theme: ThemeName) -> dict[str, Any]:
    """Return the figure of all differences from the first study.

    Raises:
        InvalidRequestError: The studies share no optimizer, cell and seed.
    """
    if found.comparison is None:
        raise InvalidRequestError(
            "these studies share no optimizer at the same rates and seeds: nothing to draw",
            field="study",
        )
    title = f"Less {found.studies[0].name}"
    return charts.difference_figure(found.comparison, title=title, theme=theme.colours)


@router.get("/compare", response_model=dict[str, Any])
async def compare(wanted: WantedOf) -> Response:
    """Compare studies of one task: robustness side by side, what differs between them, and the
    differences from the first of whatever optimizers, cells and seeds they share."""
    return await wanted.give(JSON, lambda found: encoded(across_json(found)))


@router.get("/compare.svg", response_class=Response, responses=content(SVG, "A picture"))
async def compare_svg(
    wanted: WantedOf, renderer: RendererOf, theme: ThemeOf = ThemeName.LIGHT
) -> Response:
    """Return the differences from the first study as one figure."""
    return await wanted.give(
        SVG, lambda found: renderer.render_svg(figure(found, theme)).encode(), theme
    )


@router.get("/compare.png", response_class=Response, responses=content(PNG, "A picture"))
async def compare_png(
    wanted: WantedOf,
    renderer: RendererOf,
    theme: ThemeOf = ThemeName.LIGHT,
    scale: Scale = 2.0,
) -> Response:
    """Return the differences from the first study as one figure, in pixels."""
    return await wanted.give(
        PNG, lambda found: renderer.render_png(figure(found, theme), scale), theme, scale
    )
