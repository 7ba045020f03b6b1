from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.charts import PAGE, learning_curves
from dashboards.charts.curves import LABEL_GAP, epoch_ticks, vertical_range
from tests.dashboards import samples

SVG = "{http://www.w3.org/2000/svg}"


def named(spec):
    return [layer for layer in spec["layer"] if layer["mark"].get("text")]


@pytest.mark.parametrize("name", samples.AWKWARD)
def test_every_study_makes_curves(name, renderer):
    results = samples.AWKWARD[name]()
    spec = learning_curves(results, PAGE)
    root = ElementTree.fromstring(renderer.render_svg(spec))
    assert [layer["mark"]["text"] for layer in named(spec)] == [c.title for c in results.curves]
    lines = [found for found in root.iter() if "at epoch" in found.get("aria-label", "")]
    assert len(lines) == len(results.curves)
    assert not [found for found in root.iter() if found.get("style")]


@pytest.mark.parametrize("name", ["complete", "twelve", "minimised"])
def test_labels_do_not_overlap(name):
    heights = sorted(
        layer["encoding"]["y"]["value"]
        for layer in named(learning_curves(samples.AWKWARD[name](), PAGE))
    )
    assert all(b - a >= LABEL_GAP - 1e-6 for a, b in pairwise(heights))


def test_no_two_lines_look_the_same():
    spec = learning_curves(samples.twelve(), PAGE)
    lines = [layer["mark"] for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    assert len({(m["stroke"], tuple(m.get("strokeDash", ()))) for m in lines}) == 12


def test_an_optimizer_keeps_its_colour_when_others_have_no_curve_yet():
    results = samples.complete()
    alone = learning_curves(replace(results, curves=results.curves[2:3]), PAGE)
    all_of_them = learning_curves(results, PAGE)
    strokes = [
        [layer["mark"]["stroke"] for layer in spec["layer"] if layer["mark"]["type"] == "line"]
        for spec in (alone, all_of_them)
    ]
    assert strokes[0] == [strokes[1][2]]


def test_ends_of_all_curves_are_in_the_frame():
    for build in samples.AWKWARD.values():
        curves = list(build().curves)
        low, high = vertical_range(curves)
        assert low < high
        assert all(low < curve.mean[-1] < high for curve in curves)


@given(st.integers(0, 3), st.integers(1, 5000))
def test_epoch_labels_are_few_and_in_the_frame(first, length):
    ticks = epoch_ticks(first, first + length)
    assert 1 <= len(ticks) <= 6
    assert all(first <= tick <= first + length for tick in ticks)
