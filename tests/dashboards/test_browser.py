"""The pages in a real browser, under their own Content-Security-Policy."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, Route, expect

from dashboards.rendering import Renderer
from service.studies.model import StudyState
from tests.browsing import Watched, visit
from tests.dashboards import samples
from tests.dashboards.charts.test_differences import comparison
from tests.dashboards.memory import Memory, app

CAUGHT_UP = (
    "() => !fetching && performance.getEntries().some(one => one.name.includes('/fragments/'))"
)
"""What a page missed before its stream opened has been fetched."""


@pytest.fixture
def memory() -> Memory:
    return Memory((samples.summary(), samples.partial()))


@pytest.fixture
def address(memory: Memory, renderer: Renderer) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    config = uvicorn.Config(app(memory, renderer), log_level="warning", ws="none", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{port}"
    memory.closed = True
    server.should_exit = True
    thread.join()


@pytest.fixture
def watched(browser: Browser, address: str) -> Iterator[Watched]:
    context = visit(browser, address)
    found = Watched(context.new_page())
    yield found
    context.close()
    assert found.complaints == []
    assert [url for url in found.requests if not url.startswith(address)] == []


def part(page: Page, name: str):
    return page.locator(f'[data-part="{name}"]')


def test_pages_load_without_a_complaint(watched: Watched):
    page = watched.page
    page.goto("/")
    page.get_by_role("link", name="LPWD against its baselines").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("LPWD against its baselines")
    assert page.locator(".panel > svg").count() == 5
    colour = page.evaluate("getComputedStyle(document.querySelector('.ramp')).backgroundImage")
    assert colour.startswith("linear-gradient")


def test_colours_follow_the_theme(watched: Watched, memory: Memory):
    page = watched.page
    page.emulate_media(color_scheme="light")
    page.goto("/studies/01HZX")
    grey = "getComputedStyle(document.querySelector('[fill=\"var(--diverged)\"]')).fill"
    assert page.evaluate(grey) == "rgb(228, 230, 234)"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(grey) == "rgb(57, 65, 77)"
    page.get_by_role("button", name="Light / dark").click()
    assert page.evaluate(grey) == "rgb(228, 230, 234)"
    page.reload()
    assert page.evaluate(grey) == "rgb(228, 230, 234)"


def test_a_change_replaces_its_parts_and_only_those(watched: Watched, memory: Memory):
    page = watched.page
    page.goto("/studies/01HZX")
    expect(part(page, "header")).to_contain_text("312 of 525")
    page.wait_for_function(CAUGHT_UP)
    part(page, "panel:adamw").locator("summary").click()
    before = len(watched.fragments())
    page.evaluate("document.querySelector('[data-part=\"panel:adam-pwd\"]').untouched = true")
    study = samples.summary(finished=313)
    complete = samples.complete()
    complete = replace(complete, domain=samples.partial().domain)
    memory.studies[study.id] = (study, complete)
    memory.tell("header", "panel:adamw")
    expect(part(page, "header")).to_contain_text("313 of 525")
    expect(part(page, "panel:adamw").locator(".running_marks")).to_have_count(0)
    assert watched.fragments()[before:] == ["header,panel:adamw,legend"]
    assert page.evaluate("document.querySelector('[data-part=\"panel:adam-pwd\"]').untouched")
    expect(part(page, "panel:adamw").locator("table")).to_be_visible()


def test_the_comparison_follows_at_a_distance(watched: Watched, memory: Memory):
    page = watched.page
    memory.comparisons["01HZX", "adam-l2"] = comparison(value=0.05)
    page.goto("/studies/01HZX?reference=adam-l2")
    expect(part(page, "difference")).to_contain_text("+5")
    page.wait_for_function(CAUGHT_UP)
    before = len(watched.fragments())
    page.evaluate("compared = performance.now()")  # however long it took until here
    memory.comparisons["01HZX", "adam-l2"] = comparison(value=-0.03)
    with page.expect_response("**/fragments/robustness,legend?reference=adam-l2"):
        memory.tell("robustness")
    page.wait_for_function(CAUGHT_UP)
    page.evaluate("compared = -Infinity")  # ten seconds later
    memory.tell("robustness")
    expect(part(page, "difference")).to_contain_text("−3")
    asked = [one.partition("?")[0] for one in watched.fragments()[before:]]
    assert asked == ["robustness,legend", "robustness,difference,legend"]


def test_the_comparison_follows_a_last_result_too(watched: Watched, memory: Memory):
    page = watched.page
    memory.comparisons["01HZX", None] = comparison(value=0.05)
    page.goto("/studies/01HZX")
    page.wait_for_function(CAUGHT_UP)
    memory.comparisons["01HZX", None] = comparison(value=-0.03)
    page.evaluate("compared = performance.now() - 9000")
    memory.tell("robustness")  # and nothing after it
    expect(part(page, "difference")).to_contain_text("−3")


def test_a_part_in_which_somebody_chooses_follows_once_they_are_done(
    watched: Watched, memory: Memory
):
    page = watched.page
    memory.comparisons["01HZX", None] = comparison(value=0.05)
    page.goto("/studies/01HZX")
    page.wait_for_function(CAUGHT_UP)
    choice = page.get_by_label("Compare with")
    choice.focus()
    choice.select_option("adam-pwd")
    memory.comparisons["01HZX", None] = comparison(value=-0.03)
    memory.end()
    expect(page.locator("[data-announce]")).to_have_text("The study has ended.")
    page.get_by_role("button", name="Show", exact=True).focus()
    expect(part(page, "difference")).to_contain_text("+5")
    page.get_by_role("button", name="Light / dark").focus()
    expect(part(page, "difference")).to_contain_text("−3")
    expect(choice).to_have_value("adam-pwd")


def test_a_burst_of_changes_is_one_request_after_the_one_under_way(
    watched: Watched, memory: Memory
):
    page = watched.page
    page.goto("/studies/01HZX")
    page.wait_for_function(CAUGHT_UP)
    routes: list[Route] = []

    def hold_the_first(route: Route) -> None:
        routes.append(route)
        if len(routes) > 1:
            route.continue_()

    page.route("**/fragments/*", hold_the_first)
    with page.expect_request("**/fragments/header,legend") as first:
        memory.tell("header")
    assert first.value
    for changed in (["curves"], ["panel:adamw", "robustness"], ["curves", "panel:adamw"]):
        memory.tell(*changed)
    page.wait_for_function("() => due.size === 3")
    assert len(routes) == 1
    with page.expect_request("**/fragments/curves,panel:adamw,robustness,legend"):
        routes[0].continue_()
    page.wait_for_function("() => !fetching")
    assert len(routes) == 2


def test_a_moved_colour_scale_replaces_every_panel(watched: Watched, memory: Memory):
    page = watched.page
    page.goto("/studies/01HZX")
    page.wait_for_function(CAUGHT_UP)
    before = len(watched.fragments())
    memory.studies["01HZX"] = (samples.summary(), replace(samples.partial(), domain=(0.5, 0.6)))
    memory.tell("panel:adamw")
    expect(part(page, "legend")).to_contain_text("50.0")
    expect(part(page, "panel:adam-lpwd").locator("[fill='rgb(253, 231, 37)']")).not_to_have_count(0)
    panels = ",".join(f"panel:{optimizer}" for optimizer in samples.TITLES)
    assert watched.fragments()[before:] == ["panel:adamw,legend", f"{panels},legend"]


def test_the_end_closes_the_stream_and_is_announced(watched: Watched, memory: Memory):
    page = watched.page
    page.add_init_script(
        "globalThis.streams = [];"
        "EventSource = class extends EventSource {"
        " constructor(...given) { super(...given); streams.push(this); } }"
    )
    page.goto("/studies/01HZX")
    study = samples.summary(
        state=StudyState.DONE, finished=525, progress=1.0, finished_at=samples.NOW
    )
    memory.studies[study.id] = (study, samples.complete())
    memory.end()
    expect(page.locator("[data-announce]")).to_have_text("The study has ended.")
    expect(part(page, "header")).to_contain_text("525 of 525")
    expect(part(page, "header")).to_contain_text("done")
    expect(page.locator(".running_marks")).to_have_count(0)
    assert page.evaluate("streams.map(stream => stream.readyState)") == [2], "not closed"


def test_a_finished_study_opens_no_stream(watched: Watched, memory: Memory):
    study = samples.summary(state=StudyState.DONE)
    memory.studies[study.id] = (study, samples.complete())
    watched.page.goto("/studies/01HZX", wait_until="networkidle")
    assert not [url for url in watched.requests if url.endswith("/events")]


def test_the_list_refreshes_while_something_runs(watched: Watched, memory: Memory):
    page = watched.page
    page.clock.install()
    page.goto("/?state=running")
    expect(part(page, "studies")).to_contain_text("312 of 525")
    memory.studies["01HZX"] = (samples.summary(finished=400), samples.partial())
    page.clock.run_for(4100)
    expect(part(page, "studies")).to_contain_text("400 of 525")
    assert watched.fragments()[0] == "studies?state=running"


def test_pointing_at_a_cell_marks_it_everywhere_and_tells_of_it(watched: Watched, memory: Memory):
    page = watched.page
    study = samples.summary(state=StudyState.DONE)
    memory.studies[study.id] = (study, samples.complete())
    page.goto("/studies/01HZX")
    page.locator(".panel .cells_marks > path").nth(7).hover()
    marked = page.locator(".cells_marks > .same")
    assert marked.count() == 5
    places = {label.split(":")[0] for label in marked.evaluate_all(
        "cells => cells.map(cell => cell.getAttribute('aria-label'))")}  # fmt: skip
    assert len(places) == 1
    expect(page.locator("[data-tip]")).to_contain_text("mean of 3 seeds, 95")
    page.get_by_role("heading", level=1).hover()
    expect(page.locator("[data-tip]")).to_be_hidden()
    assert marked.count() == 0


@pytest.mark.parametrize("name", ["partial", "twelve", "one_cell", "hostile"])
def test_narrow_screens_do_not_scroll_sideways(name, watched: Watched, memory: Memory):
    page = watched.page
    page.set_viewport_size({"width": 400, "height": 800})
    study = samples.summary(name="x" * 150, state=StudyState.DONE)
    memory.studies[study.id] = (study, samples.AWKWARD[name]())
    for address in ("/", "/studies/01HZX"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_hostile_names_run_nothing(watched: Watched, memory: Memory):
    page = watched.page
    page.on("dialog", lambda dialog: watched.complaints.append("a dialog opened"))
    study = samples.summary(name=samples.HOSTILE, state=StudyState.DONE)
    memory.studies[study.id] = (study, samples.hostile())
    page.goto("/studies/01HZX", wait_until="networkidle")
    expect(page.get_by_role("heading", level=1)).to_have_text(samples.HOSTILE)


def test_without_scripts_the_page_is_whole(browser: Browser, address: str):
    context = visit(browser, address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/studies/01HZX")
    assert page.locator(".panel > svg").count() == 5
    expect(page.get_by_role("button", name="Light / dark")).to_be_hidden()
    page.locator("summary").first.click()
    expect(page.locator("table.cells").first).to_be_visible()
    context.close()


def test_motion_rests_where_it_is_unwanted(watched: Watched, memory: Memory):
    page = watched.page
    page.goto("/studies/01HZX")
    moves = "getComputedStyle(document.querySelector('.running_marks > *')).animationName"
    assert page.evaluate(moves) == "pulse"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moves) == "none"


def test_the_keyboard_can_skip_to_the_content(watched: Watched):
    page = watched.page
    page.goto("/studies/01HZX")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
