from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.charts.labels import spread

WANTED = st.lists(st.floats(0, 230), min_size=1, max_size=16)


def test_labels_far_apart_stay_where_they_are():
    assert spread([200.0, 10.0, 100.0], 14, 0, 230) == [200.0, 10.0, 100.0]


def test_two_labels_at_one_place_move_apart_evenly():
    assert spread([100.0, 100.0], 14, 0, 230) == [93.0, 107.0]


def test_labels_at_the_edge_are_pushed_inwards():
    assert spread([230.0, 230.0, 229.0], 14, 0, 230) == [216.0, 230.0, 202.0]


def test_no_labels():
    assert spread([], 14, 0, 230) == []


def test_too_many_labels_are_refused():
    with pytest.raises(ValueError, match="3 labels 14 apart do not fit"):
        spread([1.0, 2.0, 3.0], 14, 0, 20)


@given(WANTED)
def test_labels_never_overlap_nor_leave_nor_swap(wanted):
    found = spread(wanted, 14, 0, 230)
    placed = sorted(found)
    assert all(after - before >= 14 - 1e-6 for before, after in pairwise(placed))
    assert placed[0] >= -1e-6
    assert placed[-1] <= 230 + 1e-6
    for one in range(len(wanted)):
        for other in range(len(wanted)):
            if wanted[one] < wanted[other]:
                assert found[one] < found[other]


@given(st.lists(st.floats(0, 230), min_size=2, max_size=6), st.lists(st.floats(0, 14), min_size=6))
def test_no_other_legal_placement_is_nearer(wanted, slack):
    """Against any other placement in the same order that keeps the distance."""
    found = spread(wanted, 14, 0, 230)
    order = sorted(range(len(wanted)), key=lambda index: found[index])
    other, y = [0.0] * len(wanted), 0.0
    for rank, index in enumerate(order):
        y = slack[0] if rank == 0 else y + 14 + slack[rank]
        other[index] = y
    if max(other) <= 230:
        nearest = sum((a - b) ** 2 for a, b in zip(found, wanted, strict=True))
        assert nearest <= sum((a - b) ** 2 for a, b in zip(other, wanted, strict=True)) + 1e-6
