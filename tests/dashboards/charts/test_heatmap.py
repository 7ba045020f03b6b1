import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from dashboards.charts import LIGHT, PAGE, heatmap, scale, wording
from service.heatmaps.model import CellState
from tests.dashboards import samples

DRAWN = [name for name in samples.AWKWARD if name != "no_optimizers"]
ELEMENTS = "{http://www.w3.org/2000/svg}"


def marks(svg: str, layer: str) -> list[ElementTree.Element]:
    """The elements that one named layer of a chart drew."""
    for group in ElementTree.fromstring(svg).iter(f"{ELEMENTS}g"):
        if f"{layer}_marks" in group.get("class", "").split():
            return list(group)
    return []


def lit(cells):
    return [cell for cell in cells if cell.mean is not None]


@pytest.mark.parametrize("name", DRAWN)
def test_every_cell_is_drawn_and_described(name, renderer):
    results = samples.AWKWARD[name]()
    for one in results.heatmaps[:2]:
        drawn = marks(renderer.render_svg(heatmap(one, results, theme=PAGE)), "cells")
        said = sorted(cell.get("aria-label") for cell in drawn)
        assert said == sorted(wording.describe(c, results.metric) for c in one.cells.values())


@pytest.mark.parametrize("name", DRAWN)
def test_a_page_can_take_the_svg_under_a_strict_policy(name, renderer):
    results = samples.AWKWARD[name]()
    svg = renderer.render_svg(heatmap(results.heatmaps[0], results, theme=PAGE))
    tags = [element.tag.removeprefix(ELEMENTS) for element in ElementTree.fromstring(svg).iter()]
    assert not {"style", "script", "image", "foreignObject", "a"} & set(tags)
    assert not re.search(r"<[^>]* (style|on\w+)=", svg)
    assert 'fill="var(--' in svg


def test_every_state_has_its_own_glyph(renderer):
    results = samples.partial()
    one = results.heatmaps[0]
    svg = renderer.render_svg(heatmap(one, results, theme=PAGE))
    cells = one.cells.values()

    def count(*states):
        return sum(cell.state in states and not cell.best for cell in cells)

    assert all(count(state) for state in (CellState.PENDING, CellState.RUNNING, CellState.DIVERGED))
    waiting = count(CellState.RUNNING) + sum(
        cell.state is CellState.PENDING and cell.mean is None for cell in cells
    )
    assert len(marks(svg, "waiting")) == waiting
    assert len(marks(svg, "running")) == count(CellState.RUNNING)
    assert len(marks(svg, "diverged")) == count(CellState.DIVERGED)
    assert len(marks(svg, "best")) == 1
    assert len(marks(svg, "tolerance")) == len(marks(svg, "tolerance_halo")) > 3
    assert len(marks(svg, "failed")) > count(CellState.FAILED) > 0


def test_partly_diverged_cells_keep_their_colour_and_get_a_small_cross(renderer):
    results = samples.complete()
    one = results.heatmaps[2]
    partly = [c for c in one.cells.values() if 0 < c.diverged < len(c.scores)]
    svg = renderer.render_svg(heatmap(one, results, theme=PAGE))
    assert len(marks(svg, "partly_diverged")) == len(partly) > 0
    fills = {cell.get("aria-label"): cell.get("fill") for cell in marks(svg, "cells")}
    assert all(fills[wording.describe(c, results.metric)].startswith("rgb(") for c in partly)
    wholly = [c for c in one.cells.values() if c.state is CellState.DIVERGED]
    assert {fills[wording.describe(c, results.metric)] for c in wholly} == {"var(--diverged)"}


@pytest.mark.parametrize("name", ["complete", "minimised"])
def test_brighter_is_better_in_either_direction(name, renderer):
    results = samples.AWKWARD[name]()
    one = results.heatmaps[0]
    svg = renderer.render_svg(heatmap(one, results, theme=LIGHT))
    fills = {cell.get("aria-label"): cell.get("fill") for cell in marks(svg, "cells")}
    shown = [cell for cell in lit(one.cells.values()) if cell.state is CellState.DONE]
    shown.sort(key=lambda cell: cell.mean, reverse=not results.metric.maximize)

    def green(cell):
        return int(re.findall(r"\d+", fills[wording.describe(cell, results.metric)])[1])

    greens = [green(cell) for cell in shown]
    assert greens == sorted(greens)
    assert greens[0] < 10 < 200 < greens[-1]


def test_scores_outside_the_domain_take_its_ends():
    results = samples.complete()
    low, high = results.domain
    assert scale.brightness(low - 1, results) == 0
    assert scale.brightness(high + 1, results) == 1
    flat = replace(results, domain=(0.5, 0.5))
    assert scale.domain(flat)[0] < 0.5 < scale.domain(flat)[1]


def test_captions_say_that_the_dark_end_holds_all_that_is_worse():
    assert scale.captions(samples.complete())[0].startswith("≤ 8")
    assert scale.captions(samples.minimised())[0].startswith("≥ 0.")
    assert scale.captions(samples.empty()) == ("worse", "better")


def test_one_study_has_one_scale():
    results = samples.complete()
    specs = [heatmap(one, results, theme=PAGE) for one in results.heatmaps]
    scales = [spec["layer"][0]["encoding"]["color"]["scale"] for spec in specs]
    assert all(found == scales[0] for found in scales)
    assert scales[0]["domain"] == list(results.domain)
    assert scales[0]["clamp"]


def test_words_of_a_cell():
    cell = samples.cell(3e-4, 0.0, (0.95, 0.1, 0.96), diverged=1)
    said = wording.describe(cell, samples.ACCURACY)
    assert said.startswith("learning rate 3e-4, weight decay 0: 67.00\N{NO-BREAK SPACE}%")
    assert "mean of 3 seeds" in said
    assert "95\N{NO-BREAK SPACE}% interval" in said
    assert said.endswith("1 diverged")
    waiting = samples.cell(1e-3, 1e-2)
    assert wording.outcome(waiting, samples.ACCURACY) == "not started"
    gone = samples.cell(1e-3, 1e-2, (0.1, 0.1), diverged=2)
    assert wording.outcome(gone, samples.ACCURACY) == "diverged in all of 2 seeds"
    half = samples.cell(1e-3, 1e-2, (0.9,), state=CellState.RUNNING)
    assert "mean of 1 of 3 seeds" in wording.outcome(half, samples.ACCURACY)
    assert wording.outcome(half, samples.ACCURACY).endswith("training")
    lost = samples.cell(1e-3, 1e-2, state=CellState.FAILED, failed=3)
    assert wording.outcome(lost, samples.ACCURACY) == "could not be trained"
