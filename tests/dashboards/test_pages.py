import asyncio
import re
from dataclasses import replace
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI

from dashboards.parts import all_parts
from dashboards.security import CONTENT_SECURITY_POLICY
from service.studies.model import StudyState
from tests.dashboards import samples
from tests.dashboards.memory import PAGE_SIZE, Memory, app


class Client:
    """Asks an app without a network."""

    def __init__(self, asked: FastAPI) -> None:
        self.transport = httpx.ASGITransport(asked)

    def get(self, address: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self.transport, base_url="http://testserver"
            ) as client:
                return await client.get(address, headers=headers)

        return asyncio.run(ask())


@pytest.fixture
def open_pages(renderer):
    def opened(*studies) -> Client:
        return Client(app(Memory(*studies), renderer))

    return opened


class Elements(HTMLParser):
    """Every start tag with its attributes, and the visible text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def parts(self):
        return [attrs["data-part"] for _, attrs in self.found if "data-part" in attrs]


def test_an_empty_list_says_how_to_send_a_first_study(open_pages):
    page = open_pages().get("/")
    assert page.status_code == 200
    text = Elements(page.text).text
    assert "lpwd demo" in text
    assert "curl http://testserver/api/v1/studies" in text
    assert '"optimizers": ["adamw", "adam-lpwd"]' in text


def test_the_list_shows_state_progress_and_best(open_pages):
    done = samples.summary(id="b", name="Done one", state=StudyState.DONE, progress=1.0)
    page = open_pages((samples.summary(), samples.partial()), (done, samples.complete())).get("/")
    elements = Elements(page.text)
    links = [attrs.get("href") for tag, attrs in elements.found if tag == "a"]
    assert {"/studies/01HZX", "/studies/b"} <= set(links)
    bars = [attrs["value"] for tag, attrs in elements.found if tag == "progress"]
    assert bars == ["0.6300", "1.0000"]
    assert "about 41 s left" in elements.text
    assert re.search(r"Adam \+ PWD\s+98\.15", elements.text)
    assert "and 2 more" in elements.text


def test_the_list_filters_by_state_and_says_when_none_match(open_pages):
    done = samples.summary(id="b", name="Done one", state=StudyState.DONE)
    client = open_pages((samples.summary(), samples.partial()), (done, samples.complete()))
    text = Elements(client.get("/?state=done").text).text
    assert "Done one" in text
    assert "LPWD against its baselines" not in text
    assert "No cancelled studies." in Elements(client.get("/?state=cancelled").text).text
    assert client.get("/?state=lost").status_code == 422


def test_the_list_leads_to_its_next_page(open_pages):
    empty = samples.no_optimizers()
    many = [(samples.summary(id=f"s{i}", name=f"Study {i}."), empty) for i in range(PAGE_SIZE + 3)]
    client = open_pages(*many)
    first = Elements(client.get("/?state=running").text)
    (older,) = [attrs["href"] for tag, attrs in first.found if attrs.get("rel") == "next"]
    second = Elements(client.get(older).text)
    assert f"Study {PAGE_SIZE}." not in first.text
    assert f"Study {PAGE_SIZE}." in second.text
    assert "Study 0." not in second.text
    assert not [attrs for _, attrs in second.found if attrs.get("rel") == "next"]


def test_only_a_list_with_something_under_way_is_live(open_pages):
    def live(state):
        page = open_pages((samples.summary(state=state), samples.partial())).get("/").text
        return [attrs for _, attrs in Elements(page).found if "data-live" in attrs]

    assert live(StudyState.RUNNING)[0]["data-refresh"].startswith("/fragments/studies?")
    assert not live(StudyState.DONE)


def test_the_list_fragment_is_the_list_of_the_page(open_pages):
    client = open_pages((samples.summary(), samples.partial()))
    assert Elements(client.get("/fragments/studies?state=running").text).parts() == ["studies"]
    assert client.get("/fragments/studies").text.strip() in client.get("/").text


@pytest.mark.parametrize("name", samples.AWKWARD)
@pytest.mark.parametrize("state", [StudyState.QUEUED, StudyState.RUNNING, StudyState.DONE])
def test_every_study_has_a_page_made_of_its_parts(name, state, open_pages):
    results = samples.AWKWARD[name]()
    client = open_pages((samples.summary(state=state, eta_seconds=None, device=None), results))
    page = client.get("/studies/01HZX")
    assert page.status_code == 200
    elements = Elements(page.text)
    assert sorted(elements.parts()) == sorted(all_parts(results))
    ids = [attrs["id"] for _, attrs in elements.found if attrs.get("id")]
    assert len(ids) == len(set(ids))
    main = next(attrs for tag, attrs in elements.found if tag == "main")
    assert ("data-live" in main) == (not state.final)


@pytest.mark.parametrize("name", ["complete", "partial", "hostile"])
def test_every_part_can_be_had_alone(name, open_pages):
    results = samples.AWKWARD[name]()
    client = open_pages((samples.summary(), results))
    for part in all_parts(results):
        fragment = client.get(f"/studies/01HZX/fragments/{part}")
        assert fragment.status_code == 200
        assert Elements(fragment.text).parts() == [part]
    two = client.get("/studies/01HZX/fragments/panel:adamw,header,header")
    assert Elements(two.text).parts() == ["header", "panel:adamw"]
    assert client.get("/studies/01HZX/fragments/header,panel:nobody").status_code == 404
    assert client.get("/studies/01HZX/fragments/parts").status_code == 404


def test_the_page_says_what_the_records_say(open_pages):
    results = samples.complete()
    failed = samples.summary(error="out of memory", failed=2)
    text = Elements(open_pages((failed, results)).get("/studies/01HZX").text).text
    assert "digits-mlp · 5 optimizers × 5 learning rates × 7 weight decays × 3 seeds" in text
    assert "312 of 525 trials" in text
    assert "35 already known" in text
    assert "out of memory" in text
    assert "Adam + LPWD is not the best here: 0.43 points behind Adam + PWD" in text
    assert "3 seeds: too few to call any difference significant (at least 6 are needed)" in text
    for row in results.robustness:
        assert row.title in text


def test_a_best_on_the_edge_is_marked_and_explained(open_pages):
    results = samples.complete()
    edge = replace(results.robustness[0], on_edge=("weight_decay",))
    plain = open_pages((samples.summary(), results)).get("/studies/01HZX/fragments/robustness")
    marked = open_pages((samples.summary(), replace(results, robustness=(edge,)))).get(
        "/studies/01HZX/fragments/robustness"
    )
    assert "edge: the best cell lies" not in plain.text
    assert "edge: the best cell lies" in marked.text
    assert len([1 for _, attrs in Elements(marked.text).found if attrs.get("class") == "edge"]) == 1


def test_the_table_alternative_has_every_cell(open_pages):
    results = samples.partial()
    page = open_pages((samples.summary(), results)).get("/studies/01HZX/fragments/panel:adamw").text
    cells = page.split('<table class="cells">')[1].count("<td>")
    assert cells == len(results.heatmaps[0].cells) + 1
    assert "could not be trained" in page
    assert "diverged in all of 3 seeds" in page


def test_exports_are_offered(open_pages):
    page = open_pages((samples.summary(), samples.complete())).get("/studies/01HZX").text
    links = {attrs.get("href") for tag, attrs in Elements(page).found if tag == "a"}
    for kind in ("png", "svg", "csv", "json"):
        assert f"/api/v1/studies/01HZX/heatmap.{kind}" in links


def test_hostile_names_stay_text(open_pages):
    hostile = samples.summary(name=samples.HOSTILE, task=samples.HOSTILE, error=samples.HOSTILE)
    client = open_pages((hostile, samples.hostile()))
    for address in ("/", "/studies/01HZX"):
        elements = Elements(client.get(address).text)
        scripts = [attrs for tag, attrs in elements.found if tag == "script"]
        assert scripts == [{"src": "/static/lpwd.js"}, {"src": "/static/actions.js"}]
        assert "img" not in [tag for tag, _ in elements.found]
        assert samples.HOSTILE in elements.text


def test_nothing_inline_for_the_policy_to_refuse(open_pages):
    client = open_pages((samples.summary(), samples.partial()))
    for address in ("/", "/studies/01HZX", "/studies/none"):
        answer = client.get(address)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        for tag, attrs in Elements(answer.text).found:
            assert tag != "style"
            assert not [name for name in attrs if name == "style" or name.startswith("on")]


def test_a_missing_study_is_a_page(open_pages):
    page = open_pages().get("/studies/<b>none")
    assert page.status_code == 404
    text = Elements(page.text).text
    assert "No such study" in text
    assert "There is no study <b>none." in text


def test_static_files_are_revalidated(open_pages):
    client = open_pages()
    for name in ("lpwd.css", "lpwd.js", "icon.svg"):
        first = client.get(f"/static/{name}")
        assert first.status_code == 200
        assert first.headers["cache-control"] == "no-cache"
        again = client.get(f"/static/{name}", headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304
    assert client.get("/static/../views.py").status_code == 404
