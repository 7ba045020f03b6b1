"""Cron arithmetic, across both changes of the clocks."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidRequestError
from service.schedules.clock import check, next_after


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def times(cron, timezone, start, count):
    found, moment = [], at(start)
    for _ in range(count):
        moment = next_after(cron, timezone, moment)
        found.append(moment)
    return found


def test_half_past_two_across_the_start_of_summer_time():
    """On 29 March 2026 there is no half past two in Berlin."""
    found = times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00+01:00", 3)
    assert found == [
        at("2026-03-28T02:30+01:00"),
        at("2026-03-29T03:00+02:00"),
        at("2026-03-30T02:30+02:00"),
    ]


def test_half_past_two_across_the_end_of_summer_time():
    """On 25 October 2026 there are two of them."""
    found = times("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00+02:00", 3)
    assert found == [
        at("2026-10-24T02:30+02:00"),
        at("2026-10-25T02:30+02:00"),
        at("2026-10-26T02:30+01:00"),
    ]


@pytest.mark.parametrize("minute", ["00", "10", "30", "50"])
def test_in_the_repeated_hour_nothing_comes_that_has_been(minute):
    moment = at(f"2026-10-25T02:{minute}+01:00")
    following = next_after("30 2 * * *", "Europe/Berlin", moment)
    assert following == at("2026-10-26T02:30+01:00")


@pytest.mark.parametrize("start", ["2026-03-28T22:00+00:00", "2026-10-24T22:00+00:00"])
def test_every_quarter_of_an_hour_is_that_whatever_the_clocks_do(start):
    found = times("*/15 * * * *", "Europe/Berlin", start, 24)
    assert {b - a for a, b in pairwise(found)} == {timedelta(minutes=15)}


SOME_TIME = st.integers(1_600_000_000, 2_000_000_000)
BACK = st.integers(-7200, 7200).map(lambda s: int(at("2026-10-25T02:00+01:00").timestamp()) + s)
"""Where Berlin's clocks are set back."""


@given(
    (SOME_TIME | BACK).map(lambda s: datetime.fromtimestamp(s, UTC)),
    st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 0 29 2 *", "15 1 * * 1-5", "0 3 L * *"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
@settings(max_examples=100)
def test_the_next_time_is_later_and_nothing_lies_between(moment, cron, timezone):
    following = next_after(cron, timezone, moment)
    assert following > moment
    assert following.tzinfo is UTC
    between = moment + (following - moment) / 2
    assert next_after(cron, timezone, between) == following


def test_a_time_is_not_its_own_successor():
    moment = at("2026-01-01T02:30+00:00")
    assert next_after("30 2 * * *", "UTC", moment) == moment + timedelta(days=1)


@pytest.mark.parametrize(
    "cron", ["30 2 * * *", "0 0 29 2 *", "0 0 29 2 1#5", "*/5 9-17 * * mon-fri"]
)
def test_what_comes_one_day_is_taken(cron):
    check(cron, "Europe/Berlin")


@pytest.mark.parametrize(
    ("cron", "field"), [("30 2 30 2 *", "cron"), ("0 0 * * * *", "cron"), ("x", "cron")]
)
def test_what_never_comes_or_means_nothing_is_refused(cron, field):
    with pytest.raises(InvalidRequestError) as caught:
        check(cron, "UTC")
    assert caught.value.field == field
    assert repr(cron) in caught.value.detail
