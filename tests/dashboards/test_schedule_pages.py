"""Schedules, and what came out worse, on the pages."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from dashboards.regression_view import figures
from service.schedules.model import Decline, FiringView, Regression, ScheduleView
from service.studies.model import StudyState
from tests.dashboards import samples
from tests.dashboards.memory import Memory, app

WORSE = Regression("01HZW", (Decline("adam-lpwd", -0.0112, -0.0121, -0.0104, 0.0156),))
SENT = FiringView(samples.NOW, "01HZX", "nightly <b>", StudyState.DONE, None, WORSE)


def schedule(**changes):
    values = {
        "id": "5b1c09d2e7f3",
        "name": "nightly <b>",
        "cron": "30 2 * * *",
        "timezone": "Europe/Berlin",
        "enabled": True,
        "next_at": samples.NOW + timedelta(hours=3),
        "task": "digits-mlp",
        "optimizers": ("adamw", "adam-lpwd"),
        "last": SENT,
        "worse": SENT,
    }
    return ScheduleView(**values | changes)


@pytest.fixture
def opened(renderer):
    """Open an address where a study of these schedules came out worse."""

    def get(address, *schedules):
        memory = Memory((samples.summary(state=StudyState.DONE), samples.complete()))
        memory.regressions["01HZX"] = WORSE
        memory.scheduled = schedules

        async def ask():
            transport = httpx.ASGITransport(app(memory, renderer))
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                return await client.get(address)

        return asyncio.run(ask()).text

    return get


def test_figures_are_in_points_with_their_interval():
    said = figures(WORSE.optimizers[0], samples.ACCURACY)
    plain = said.replace("\N{MINUS SIGN}", "-").replace("\N{NO-BREAK SPACE}", " ")
    assert plain == "-1.12 points (95 % interval -1.21 to -1.04, p 0.016)"


def test_a_study_that_came_out_worse_says_so_and_than_which(opened):
    page = opened("/studies/01HZX")
    assert 'href="/studies/01HZW"' in page
    assert "/compare?study=01HZW&amp;study=01HZX" in page
    assert "1.12 points" in page


def test_schedules_are_listed_with_what_came_of_them(opened):
    page = opened(
        "/schedules",
        schedule(),
        schedule(enabled=False, next_at=None, last=None, worse=None),
        schedule(last=FiringView(samples.NOW, None, None, None, "no such task", None)),
        schedule(last=FiringView(samples.NOW, None, None, None, None, None)),
    )
    assert "<b>" not in page.replace("<b>Adam", "")
    for said in ("30 2 * * *", "Europe/Berlin", "none yet", "off", "no such task", "was deleted"):
        assert said in page
    assert page.count('<span class="muted">never</span>') == 1


def test_without_schedules_the_page_says_how_to_make_one(opened):
    assert "lpwd schedule create" in opened("/schedules")
