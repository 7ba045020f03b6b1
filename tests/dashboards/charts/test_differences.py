"""Maps of differences, drawn for real."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from dashboards.charts import DARK, LIGHT, PAGE, difference, difference_figure
from dashboards.charts.differences import captions, key
from dashboards.charts.theme import diverging
from dashboards.difference_verdict import honesty, verdict
from service.comparison.model import (
    CellDifference,
    Comparison,
    MeasureDifference,
    MeasureName,
    OptimizerDifference,
)
from tests.dashboards import samples

SVG = "{http://www.w3.org/2000/svg}"


def cell(learning_rate, decay, value, **changes):
    known = value is not None
    found = CellDifference(
        learning_rate=learning_rate,
        weight_decay=decay,
        difference=value,
        low=value - 0.01 if known else None,
        high=value + 0.01 if known else None,
        seeds=8 if known else 0,
        p=0.1,
        p_adjusted=0.5,
        significant=False,
        better=value > 0 if value else None,
        diverged=False,
    )
    return replace(found, **changes)


def measure(name, value, *, significant=False):
    return MeasureDifference(name, value, value - 0.1, value + 0.1, 0.01, 0.02, significant)


def comparison(seeds=8, wins=(), metric=samples.ACCURACY, title="Adam + LPWD", value=0.05):
    cells = {
        (0.001, 0.0): cell(0.001, 0.0, value, significant=True),
        (0.001, 0.1): cell(0.001, 0.1, -0.2, diverged=True),
        (0.01, 0.0): cell(0.01, 0.0, 0.0),
        (0.01, 0.1): cell(0.01, 0.1, None),
    }
    measures = tuple(measure(name, value, significant=name in wins) for name in MeasureName)
    one = OptimizerDifference(
        "adam-lpwd", title, "adam-lpwd", (0.001, 0.01), (0.0, 0.1), cells, measures
    )
    return Comparison(metric, 0.01, "adamw", "AdamW", seeds, 6, 0.1, (one,))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_a_figure_has_fixed_colours_and_its_words(theme, renderer):
    found = comparison(title=samples.HOSTILE)
    svg = renderer.render_svg(difference_figure(found, title="A study", theme=theme))
    assert "var(--" not in svg
    said = ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert {"A study", *captions(found), *(words for _, words in key(found))} <= set(said)


def test_a_panel_on_a_page_follows_its_colours_and_reads_its_cells(renderer):
    found = comparison()
    svg = renderer.render_svg(difference(found.optimizers[0], found, theme=PAGE))
    assert "color-mix(in srgb, var(--better) 50.0%, var(--even))" in svg
    labels = [
        one.get("aria-label") for one in ElementTree.fromstring(svg).iter() if one.get("aria-label")
    ]
    assert any("+5 points, 95\u00a0% interval" in one and "significant" in one for one in labels)
    assert any("nothing to compare yet" in one for one in labels)


def test_colours_are_even_in_the_middle_and_full_at_the_ends():
    assert diverging(0.0, LIGHT) == LIGHT.even
    assert diverging(1.0, LIGHT) == diverging(7.0, LIGHT) == LIGHT.better
    assert diverging(-1.0, DARK) == DARK.worse
    assert diverging(0.5, LIGHT) not in (LIGHT.even, LIGHT.better)


def test_less_is_better_where_a_metric_is_minimised(renderer):
    found = comparison(metric=samples.LOSS, value=-0.1)
    svg = renderer.render_svg(difference(found.optimizers[0], found, theme=LIGHT))
    assert LIGHT.better in svg


def test_the_verdict_claims_no_more_than_is_significant():
    won = verdict(comparison(wins=(MeasureName.WIDTH,)))
    assert "significantly ahead of AdamW in tolerance width (+0.05 decades)" in won
    assert "Adam + LPWD beats AdamW in tolerance width" in won
    level = verdict(comparison())
    assert "No optimizer differs significantly from AdamW" in level
    assert "Adam + LPWD is not shown to beat AdamW" in level
    lost = verdict(comparison(value=-0.05))
    assert "Adam + LPWD does not beat AdamW here: best score −5 points" in lost
    few = comparison(seeds=3)
    assert "3 seeds: too few to call any difference from AdamW significant" in verdict(few)
    assert "With 3 seeds nothing can be" in honesty(few)
