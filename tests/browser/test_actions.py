"""What can be done with a study on its page, against the real service, in a real browser."""

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from service.app import create_app
from service.db import Database, schema
from service.settings import Settings
from service.studies import queries
from tests.browsing import Watched, visit
from tests.service.samples import fill


@pytest.fixture
def service(tmp_path) -> Iterator[tuple[str, Database, dict[str, str]]]:
    """Serve a filled database; yields the address, the database and what is in it."""
    url = f"sqlite:///{tmp_path / 'lpwd.db'}"
    database = Database(url)
    schema.upgrade(database)
    ids = fill(database)
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(Settings(_env_file=None, database_url=url, data_dir=tmp_path))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", database, ids
    server.should_exit = True
    thread.join()
    database.close()


@pytest.fixture
def page(browser: Browser, service) -> Iterator[Page]:
    context = visit(browser, service[0])
    watched = Watched(context.new_page())
    yield watched.page
    context.close()
    # What the service refuses, a browser tells in its console.
    assert [one for one in watched.complaints if "status of 4" not in one] == []


def summary(database: Database, study_id: str):
    with database.read() as session:
        return queries.summary(session, study_id)


def opened(page: Page):
    return page.locator("dialog[open]")


def button(page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def test_a_study_is_edited_extended_cloned_deleted_and_brought_back(page, service):
    _, database, ids = service
    page.goto(f"/studies/{ids['finished']}")
    expect(button(page, "Cancel")).to_have_count(0)

    button(page, "Edit").click()
    opened(page).get_by_label("Name").fill("Figure 3")
    opened(page).get_by_label("Tags").fill("night, paper")
    opened(page).get_by_label("Note").fill("first\nsecond")
    button(opened(page), "Save").click()
    expect(page.get_by_role("heading", name="Figure 3")).to_be_visible()
    found = summary(database, ids["finished"])
    assert (found.tags, found.note) == (("night", "paper"), "first\nsecond")

    button(page, "Add seeds").click()
    opened(page).get_by_label("Seeds in all").fill("2")
    button(opened(page), "Add").click()
    expect(opened(page).get_by_role("alert")).to_contain_text("nothing of this is new")
    opened(page).get_by_label("Seeds in all").fill("3")
    button(opened(page), "Add").click()
    expect(page.get_by_text("16 of 24 trials")).to_be_visible()

    button(page, "Cancel").click()
    button(opened(page), "Cancel the study").click()
    button(page, "Go on").click()
    expect(page.locator('[data-part="header"]')).to_have_attribute("data-state", "queued")

    button(page, "Clone").click()
    opened(page).get_by_label("Name").fill("Another")
    button(opened(page), "Clone").click()
    expect(page.get_by_role("heading", name="Another")).to_be_visible()
    assert page.url.rpartition("/")[2] not in ids.values()

    page.goto(f"/studies/{ids['diverged']}")
    name = summary(database, ids["diverged"]).name
    button(page, "Delete").click()
    button(opened(page), "Delete").click()
    expect(page.get_by_text(f"Deleted {name}")).to_be_visible()
    button(page, "Undo").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    assert summary(database, page.url.rpartition("/")[2]).state == "done"


def test_who_edits_what_another_changed_meanwhile_is_told(page, service):
    address, database, ids = service
    page.goto(f"/studies/{ids['finished']}")
    button(page, "Edit").click()
    page.request.patch(f"{address}/api/v1/studies/{ids['finished']}", data={"note": "theirs"})
    opened(page).get_by_label("Note").fill("mine")
    button(opened(page), "Save").click()
    expect(opened(page).get_by_role("alert")).to_contain_text("somebody changed it")
    assert summary(database, ids["finished"]).note == "theirs"


def test_studies_are_found_without_scripts(browser, service):
    address, _, ids = service
    context = visit(browser, address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    rows = page.locator(".studies tbody tr")
    everything = rows.count()
    page.get_by_text("Find studies").click()
    page.get_by_label("Text").fill("FIGURE")
    page.get_by_role("button", name="Find").click()
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="Clear").click()
    page.get_by_role("link", name="paper").click()
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="queued").click()
    expect(page.get_by_text("No queued studies like this.")).to_be_visible()
    page.goto("/?order=oldest&since=2000-01-01&until=2999-01-01&optimizer=adamw&q=")
    assert 1 < rows.count() < everything
    assert ids["finished"] in rows.first.get_by_role("link").first.get_attribute("href")
    page.goto(f"/studies/{ids['queued']}")
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    context.close()
