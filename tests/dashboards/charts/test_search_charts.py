"""Planes, best so far and importance, of every search that a page may meet."""

from xml.etree import ElementTree

import pytest

from dashboards.charts import PAGE
from dashboards.charts.importance import importance
from dashboards.charts.plane import plane, shown
from dashboards.charts.trace import Over, best_so_far
from tests.dashboards import samples, searches
from workers.search.contracts import PointState


def elements(spec, renderer):
    return list(ElementTree.fromstring(renderer.render_svg(spec)).iter())


def labels(found, beginning):
    said = [one.get("aria-label", "") for one in found]
    return [one for one in said if one.startswith(beginning)]


def texts(found):
    return [one.text for one in found if one.tag.endswith("}text")]


@pytest.mark.parametrize("name", searches.AWKWARD)
def test_every_point_is_on_the_plane_and_says_what_it_is(name, renderer):
    results = searches.AWKWARD[name]()
    for one in results.optimizers:
        found = elements(plane(one, results, theme=PAGE), renderer)
        said = labels(found, f"{one.title}, point")
        assert len(said) == len(one.points)
        assert sum(", best" in text for text in said) == (one.best is not None)
        assert not [element for element in found if element.get("style")]
        assert {"learning rate", "weight decay"} <= set(texts(found))


def test_every_state_looks_different_and_the_best_is_a_disc():
    results = searches.everything()
    one = results.optimizers[0]
    (points, running) = plane(one, results, theme=PAGE)["layer"]
    looks = {}
    for mark in points["data"]["values"]:
        number = int(mark["description"].split("point ")[1].split(":")[0])
        state = next(p.state for p in one.points if p.number == number)
        if not mark["best"]:
            look = (mark["shape"], mark["size"], mark["score"] is None)
            looks.setdefault(state, set()).add(look)
    assert all(len(found) == 1 for found in looks.values())
    states = set(PointState) - {PointState.RUNNING}
    assert len({looks[state].pop() for state in states}) == len(states)
    assert len(running["data"]["values"]) == 1
    assert points["data"]["values"][-1]["best"]
    assert points["data"]["values"][-1]["stroke"] == "#ffffff"


def test_the_axes_are_labelled_in_the_picture(renderer):
    results = searches.everything()
    said = texts(elements(plane(results.optimizers[0], results, theme=PAGE), renderer))
    for label in ("0", "1e-4", "1e-3", "1e-2", "1e-1", "1"):
        assert label in said


def shortened(text, title):
    """Whether a text is a title, or as much of it as had room."""
    return text == title or (text.endswith("…") and title.startswith(text[:-1]))


@pytest.mark.parametrize("over", Over)
@pytest.mark.parametrize("name", searches.AWKWARD)
def test_best_so_far_has_a_named_line_an_optimizer(name, over, renderer):
    results = searches.AWKWARD[name]()
    found = elements(best_so_far(results, over, PAGE), renderer)
    for one in results.optimizers:
        said = [text for text in texts(found) if text and shortened(text, one.title)]
        assert len(said) == bool(one.trace)
        assert len(labels(found, f"{one.title}: ")) == bool(one.trace)
    assert over.value in texts(found)


@pytest.mark.parametrize("name", searches.AWKWARD)
def test_importance_has_a_bar_a_hyperparameter_or_a_reason(name, renderer):
    results = searches.AWKWARD[name]()
    found = elements(importance(results, PAGE), renderer)
    for one in results.optimizers:
        assert len(labels(found, f"{one.title}: ")) == len(one.importance.shares)
        assert (one.importance.reason in texts(found)) == (not one.importance.shares)


def test_a_chart_of_nothing_says_so(renderer):
    nothing = searches.results()
    assert "no optimizers" in texts(elements(importance(nothing, PAGE), renderer))
    assert renderer.render_svg(best_so_far(nothing, Over.POINTS, PAGE)).startswith("<svg")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("learning_rate", 0.0123, "1.23e-2"),
        ("weight_decay", 0.0, "0"),
        ("beta1", 0.8667, "0.867"),
        ("eps", 1e-8, "1e-8"),
        ("amsgrad", True, "on"),
        ("shuffle_seed", 7, "7"),
        ("mode", samples.HOSTILE, samples.HOSTILE),
    ],
)
def test_values_are_shown_as_people_write_them(name, value, said):
    assert shown(name, value) == said
