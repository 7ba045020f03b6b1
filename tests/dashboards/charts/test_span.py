from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.charts.span import round_values, span

POSITIVE = st.floats(1e-12, 1e3)


def test_a_logarithmic_axis_labels_powers_of_ten_and_has_a_slot_for_zero():
    axis = span((1e-4, 1.0), 230, log=True, zero=True)
    assert [label for _, label in axis.ticks()] == ["0", "1e-4", "1e-3", "1e-2", "1e-1", "1"]
    assert axis.pixel(0.0) < axis.pixel(1e-4) < axis.pixel(1.0) < 230
    steps = [b - a for a, b in pairwise(pixel for pixel, _ in axis.ticks()[1:])]
    assert max(steps) - min(steps) < 0.1


def test_a_linear_axis_labels_round_values():
    assert [label for _, label in span((0.8, 0.95), 200, log=False).ticks()] == [
        "0.8",
        "0.85",
        "0.9",
        "0.95",
    ]


def test_less_than_a_decade_is_labelled_by_round_values_too():
    labels = [label for _, label in span((2e-3, 8e-3), 200, log=True).ticks()]
    assert len(labels) >= 3
    assert "4e-3" in labels


def test_choices_with_zero_need_no_word_for_the_slot():
    axis = span((0.0, 0.1), 200, log=True)
    assert axis.zero
    assert axis.pixel(0.0) < axis.pixel(0.1)


@pytest.mark.parametrize("values", [(), (0.0,), (0.5,)])
def test_hardly_any_value_makes_an_axis_all_the_same(values):
    axis = span(values, 200, log=True)
    assert 0 <= axis.pixel(0.5) <= 200
    assert axis.ticks()


@given(st.lists(POSITIVE, min_size=2, max_size=9), st.booleans(), st.booleans())
def test_values_lie_in_the_frame_and_in_their_order(values, log, zero):
    axis = span(values, 284, log=log, zero=zero and log)
    pixels = [axis.pixel(value) for value in sorted(values)]
    assert pixels == sorted(pixels)
    assert all(0 <= pixel <= 284 for pixel in pixels)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 15
    assert all(0 <= pixel <= 284 for pixel, _ in ticks)


@given(POSITIVE, st.integers(2, 9))
def test_round_values_are_few_and_within(last, most):
    values = round_values(0.0, last, most)
    assert len(values) <= most + 1
    assert all(0 <= value <= last * (1 + 1e-6) for value in values)
