from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards import formatting
from dashboards.tables import GLYPH_WIDTH, interval_glyph
from tests.dashboards import samples

NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (3e-4, "3e-4"), (0.0015, "1.5e-3"), (0.1, "1e-1"), (0.5, "5e-1"), (1, "1"),
     (2.5, "2.5"), (10, "1e1"), (10**-3.5, "3.16e-4"), (9.999e-4, "1e-3")],
)  # fmt: skip
def test_rates(value, text):
    assert formatting.rate(value) == text


@given(st.floats(1e-12, 1e6))
def test_a_rate_reads_back_as_itself(value):
    assert float(formatting.rate(value)) == pytest.approx(value, rel=0.006)


def test_scores_and_distances():
    assert formatting.score(0.93724, samples.ACCURACY) == f"93.72{NBSP}%"
    assert formatting.score(0.93724, samples.LOSS) == "0.9372"
    assert formatting.score(None, samples.LOSS) == "–"
    assert formatting.difference(0.01, samples.ACCURACY) == "1 point"
    assert formatting.difference(0.005, samples.ACCURACY) == "0.5 points"
    assert formatting.difference(0.00002, samples.ACCURACY) == "less than 0.01 points"
    assert formatting.difference(0.0, samples.ACCURACY) == "0 points"
    assert formatting.difference(0.05, samples.LOSS) == "0.05"
    assert formatting.interval(0.921, 0.94, samples.ACCURACY) == f"92.1–94.0{NBSP}%"
    assert formatting.interval(-0.1, 0.94, samples.ACCURACY) == f"-10.0 to 94.0{NBSP}%"
    assert formatting.interval(None, None, samples.ACCURACY) == "–"
    assert formatting.width(2.5, is_bound=True) == "≥ 2.50"
    assert formatting.width(None, is_bound=False) == "–"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (45.2, "45 s"), (59.6, "1 min"), (200, "3 min"), (3599, "1 h"),
     (7500, "2 h 5 min"), (90000, "1 d")],
)  # fmt: skip
def test_durations(seconds, text):
    assert formatting.duration(seconds) == text


def test_ago():
    assert formatting.ago(samples.NOW, samples.NOW) == "just now"
    assert formatting.ago(samples.NOW - timedelta(minutes=3), samples.NOW) == "3 min ago"
    assert formatting.ago(samples.NOW - timedelta(days=40), samples.NOW) == "2024-11-23"


def test_until():
    assert formatting.until(samples.NOW, samples.NOW) == "now"
    assert formatting.until(samples.NOW + timedelta(minutes=3), samples.NOW) == "in 3 min"
    assert formatting.until(samples.NOW + timedelta(days=40), samples.NOW) == "2025-02-11"


def test_interval_glyph_stays_on_its_strip():
    glyph = interval_glyph(0.3, 0.2, 0.5)
    assert 0 < glyph.low < glyph.dot < glyph.high < GLYPH_WIDTH
    assert glyph.words == "30 %, 95 % interval 20 to 50 %"
    alone = interval_glyph(1.0, None, None)
    assert alone.low == alone.dot == alone.high < GLYPH_WIDTH
    assert interval_glyph(None, None, None) is None
