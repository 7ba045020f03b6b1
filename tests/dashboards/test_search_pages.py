"""The page of a search, over records in memory."""

from dataclasses import replace

import pytest

from dashboards.parts import search_parts
from dashboards.search_view import key, own_parameters, range_of, stopping, verdict
from service.studies.model import StudyState
from tests.dashboards import samples, searches
from tests.dashboards.memory import Memory, app
from tests.dashboards.test_pages import Client, Elements
from workers.search.contracts import Halving, Kind, Parameter


@pytest.fixture
def open_pages(renderer):
    def opened(*studies) -> Client:
        return Client(app(Memory(*studies), renderer))

    return opened


@pytest.mark.parametrize("name", searches.AWKWARD)
@pytest.mark.parametrize("state", [StudyState.QUEUED, StudyState.RUNNING, StudyState.DONE])
def test_every_search_has_a_page_made_of_its_parts(name, state, open_pages):
    results = searches.AWKWARD[name]()
    client = open_pages((searches.summary(state=state, eta_seconds=None, device=None), results))
    page = client.get("/studies/01HZX")
    assert page.status_code == 200
    elements = Elements(page.text)
    assert sorted(elements.parts()) == sorted(search_parts(results))
    ids = [attrs["id"] for _, attrs in elements.found if attrs.get("id")]
    assert len(ids) == len(set(ids))
    main = next(attrs for tag, attrs in elements.found if tag == "main")
    assert ("data-live" in main) == (not state.final)


@pytest.mark.parametrize("name", ["everything", "nothing_yet", "hostile"])
def test_every_part_can_be_had_alone(name, open_pages):
    results = searches.AWKWARD[name]()
    client = open_pages((searches.summary(), results))
    for part in search_parts(results):
        if "," in part or "/" in part:  # a label never holds them, but that of the hostile one
            continue
        fragment = client.get(f"/studies/01HZX/fragments/{part}")
        assert fragment.status_code == 200
        assert Elements(fragment.text).parts() == [part]
    assert client.get("/studies/01HZX/fragments/header,plane:nobody").status_code == 404
    assert client.get("/studies/01HZX/fragments/robustness").status_code == 404


def test_the_page_says_what_the_records_say(open_pages):
    results = searches.everything()
    client = open_pages((searches.summary(error="a reason"), results))
    text = " ".join(Elements(client.get("/studies/01HZX").text).text.split())
    assert "digits-mlp · search · 2 optimizers, up to 24 points each × 3 seeds · 20 epochs" in text
    assert "38 of 48 points · 2 training · 15 stopped early · 2 diverged · 1 failed" in text
    assert "3 trials already known · about 41 s left" in text
    assert "a reason" in text
    assert " ".join(verdict(results).split()) in text
    assert "after 2, 6, 18 epochs one in 3 goes on (ASHA)" in text
    assert "weight decay 1e-4 to 1, or 0" in text
    assert "beta1 0.8 to 0.95" in text
    best = results.optimizers[0].best
    assert f"{100 * best.value:.2f}" in text
    assert f"{best.parameters['beta1']:.3g}" in text


def test_an_empty_search_says_what_is_to_come(open_pages):
    waiting = open_pages((searches.summary(), searches.nothing_yet())).get("/studies/01HZX").text
    assert "the first point trained in full begins the line" in waiting
    assert "No point yet." in waiting
    assert "Told from" not in waiting
    over = open_pages((searches.done(), searches.nothing_yet())).get("/studies/01HZX").text
    assert "no point was trained in full" in over
    assert "No point was tried." in over


def test_the_table_alternative_has_every_point(open_pages):
    results = searches.everything()
    page = open_pages((searches.summary(), results)).get("/studies/01HZX/fragments/plane:adamw")
    rows = page.text.split('<table class="cells">')[1].count('<th scope="row">')
    assert rows == len(results.optimizers[0].points)
    assert 'title="the loss ran away"' in page.text


def test_exports_are_offered(open_pages):
    page = open_pages((searches.summary(), searches.everything())).get("/studies/01HZX").text
    links = {attrs.get("href") for tag, attrs in Elements(page).found if tag == "a"}
    assert {"/api/v1/studies/01HZX/search", "/api/v1/studies/01HZX/optuna.db"} <= links
    assert not [link for link in links if "heatmap" in link]


def test_hostile_names_stay_text(open_pages):
    hostile = searches.summary(name=samples.HOSTILE, error=samples.HOSTILE)
    client = open_pages((hostile, searches.hostile()))
    for address in ("/", "/studies/01HZX"):
        elements = Elements(client.get(address).text)
        scripts = [attrs for tag, attrs in elements.found if tag == "script"]
        assert scripts == [{"src": "/static/lpwd.js"}, {"src": "/static/actions.js"}]
        assert "img" not in [tag for tag, _ in elements.found]


def test_nothing_inline_for_the_policy_to_refuse(open_pages):
    page = open_pages((searches.summary(), searches.everything())).get("/studies/01HZX").text
    for tag, attrs in Elements(page).found:
        assert tag != "style"
        assert not [name for name in attrs if name == "style" or name.startswith("on")]


def test_the_list_counts_a_searchs_points(open_pages):
    text = Elements(open_pages((searches.summary(), searches.everything())).get("/").text).text
    assert "2 optimizers × 24 points × 3 seeds" in text
    assert "38 of 48 points" in text


def test_the_verdict_is_about_the_best_points():
    everything = searches.everything()
    assert verdict(everything).startswith("So far: ")
    assert "has the best validation score" in verdict(everything)
    assert verdict(searches.nothing_yet()) is None
    alone = searches.one_result()
    assert verdict(replace(alone, points=1)) == "The best validation score is 90.00\xa0%."
    twins = [
        searches.optimizer(name, name, (searches.point(0, value=0.9),)) for name in ("a", "b", "c")
    ]
    level = searches.results(*twins, points=1)
    assert verdict(level) == "a, b and c share the best validation score, 90.00\xa0%."
    assert "2.3" in verdict(replace(searches.minimised(), points=8))


def test_the_key_names_what_occurs():
    assert [icon for icon, _ in key(searches.everything())] == [
        "best",
        "ring",
        "diverged",
        "hatched",
        "running",
    ]
    assert key(searches.nothing_yet()) == ()


def test_the_protocol_in_words():
    results = searches.everything()
    assert own_parameters(results) == ("beta1", "amsgrad")
    assert stopping(replace(results, halving=None)) == "none: every point trains in full"
    assert "grace period" in stopping(replace(results, halving=Halving(20, 3.0)))
    assert range_of(Parameter("shuffle_seed", Kind.INTEGER, 0, 7)) == "0 to 7"
    assert range_of(searches.AMSGRAD) == "on, off"
