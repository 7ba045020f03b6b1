from xml.etree import ElementTree

import pytest

from dashboards.charts import DARK, LIGHT, heatmaps
from dashboards.charts.figure import subtitle
from tests.dashboards import samples

SVG = "{http://www.w3.org/2000/svg}"


def text(svg: str) -> list[str]:
    return ["".join(found.itertext()) for found in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", samples.AWKWARD)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_study_makes_a_figure_of_fixed_colours(name, theme, renderer):
    results = samples.AWKWARD[name]()
    svg = renderer.render_svg(heatmaps(results, title="A study", theme=theme))
    assert "var(--" not in svg
    assert "NaN" not in svg
    said = text(svg)
    assert "A study" in said
    assert subtitle(results) in said


def test_each_panel_shows_its_own_cells(renderer):
    """Layers of one name in two panels would all show the first panel's data."""
    results = samples.complete()
    svg = renderer.render_svg(heatmaps(results, title="A study", theme=LIGHT))
    labels = [found.get("aria-label") for found in ElementTree.fromstring(svg).iter(f"{SVG}path")]
    said = [label for label in labels if label and label.startswith("learning rate 1e-3, weight ")]
    assert len(said) == 5 * 7
    assert len(set(said)) > 30


def test_titles_and_only_the_glyphs_in_use_are_in_the_figure(renderer):
    done = text(renderer.render_svg(heatmaps(samples.complete(), title="t", theme=LIGHT)))
    half = text(renderer.render_svg(heatmaps(samples.partial(), title="t", theme=LIGHT)))
    assert set(samples.TITLES.values()) <= set(done)
    assert {"best", "within 1 point", "diverged"} <= set(done)
    assert not {"failed", "training", "not started"} & set(done)
    assert {"failed", "training", "not started"} <= set(half)


def test_png_is_a_png_of_the_asked_scale(renderer):
    spec = heatmaps(samples.one_cell(), title="t", theme=LIGHT)
    one, two = renderer.render_png(spec, 1), renderer.render_png(spec, 2)
    assert one[:8] == b"\x89PNG\r\n\x1a\n"
    widths = [int.from_bytes(png[16:20]) for png in (one, two)]
    assert abs(2 * widths[0] - widths[1]) <= 2


@pytest.mark.parametrize("length", [150, 151])
def test_a_long_title_of_emoji_is_cut_without_harm(length, renderer):
    said = text(renderer.render_svg(heatmaps(samples.one_cell(), title="🙂" * length, theme=LIGHT)))
    assert any("□□" in one for one in said)
