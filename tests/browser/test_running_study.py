"""The study page of a running study, in a real browser on a whole service."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from service.client import Client
from tests.browsing import Watched, visit
from tests.live import ONE_WORKER, serving, wait_until

STUDY = {
    "name": "In a browser",
    "task": "digits-mlp",
    "optimizers": ["adamw", "adam-lpwd"],
    "learning_rates": [0.003, 0.01],
    "weight_decays": [0, 0.1],
    "seeds": 3,
    "budget": {"epochs": 60},
}
TRIALS = 24


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    with serving(folder, LPWD_PACK_SIZE="4", **ONE_WORKER) as live:
        yield live


@pytest.fixture
def watched(browser, live):
    context = visit(browser, live.url)
    found = Watched(context.new_page())
    yield found
    context.close()
    assert found.complaints == []
    assert {urlsplit(url).netloc for url in found.requests} == {urlsplit(live.url).netloc}


@pytest.fixture
def study(live):
    with live.client() as client:
        return client.submit(STUDY).study


def test_it_fills_in_without_reload(watched, live, study):
    page = watched.page
    page.goto(f"/studies/{study.id}")
    page.evaluate("window.stayed = true")
    expect(page.locator('[data-part="header"]')).to_contain_text("done")
    expect(page.locator('[data-part="header"]')).to_contain_text(f"{TRIALS} of {TRIALS} trials")
    expect(page.locator('[data-part="robustness"] tbody tr')).to_have_count(2)
    cells = page.locator('[data-part="panel:adam-lpwd"] .cells_marks > [aria-label]')
    expect(cells).to_have_count(4)
    for label in cells.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))"):
        assert "3 seeds" in label
    assert page.evaluate("window.stayed"), "the page was loaded anew"


SEARCH = {
    "mode": "search",
    "task": "digits-mlp",
    "optimizers": ["adamw", "adam-lpwd"],
    "space": {"learning_rate": {"low": 1e-3, "high": 1e-1}},
    "seeds": 2,
    "budget": {"epochs": 9, "points": 6},
}


def test_a_search_fills_in_without_reload(watched, live):
    with live.client() as client:
        search = client.submit(SEARCH).study
    page = watched.page
    page.goto(f"/studies/{search.id}")
    page.evaluate("window.stayed = true")
    header = page.locator('[data-part="header"]')
    expect(header).to_contain_text("done")
    expect(header).to_contain_text("12 of 12 points")
    expect(page.locator('[data-part="best"] tbody tr')).to_have_count(2)
    expect(page.locator('[data-part="best"]')).to_contain_text("the best validation score")
    for label in SEARCH["optimizers"]:
        marks = page.locator(f'[data-part="plane:{label}"] .points_marks > [aria-label]')
        expect(marks).to_have_count(6)
    marks.first.hover()
    expect(page.locator("[data-tip]")).to_contain_text("learning rate")
    expect(page.locator('[data-part="trace"] svg')).to_have_count(2)
    expect(page.locator('[data-part="importance"]')).to_contain_text("not enough points")
    page.get_by_text("As a table").first.click()
    expect(page.locator(".cells tbody tr:visible")).to_have_count(6)
    assert page.evaluate("window.stayed"), "the page was loaded anew"


def test_every_page_is_free_of_complaints(watched, live, study):
    with live.client() as client:
        finished(client, study)
    page = watched.page
    for path in ("/", f"/studies/{study.id}", "/schedules", "/docs", "/?state=done"):
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()


def test_export_links_lead_to_what_they_promise(watched, live, study):
    with live.client() as client:
        finished(client, study)
    page = watched.page
    page.goto(f"/studies/{study.id}")
    links = page.locator(".exports a")
    found = {link.inner_text(): link.get_attribute("href") for link in links.all()}
    assert set(found) == {"png", "svg", "pdf", "csv", "parquet", "json", "vl.json"}
    for kind, href in found.items():
        answer = page.request.get(href)
        assert answer.ok, kind
        assert kind.removeprefix("vl.") in answer.headers["content-type"]


def test_a_study_that_does_not_exist_is_a_page_that_says_so(browser, live):
    page = visit(browser, live.url).new_page()
    answer = page.goto("/studies/none")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("main")).to_contain_text("there is no study 'none'")


def finished(client: Client, study):
    wait_until(lambda: client.study(study.id).state.final)
