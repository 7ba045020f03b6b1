import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.charts.grid import ZERO_GAP, Segment, grid, hatch, outline, slots, thinned
from tests.dashboards import samples

CELLS = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 4)))
COLUMNS = slots((1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0))
DECAYS = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)


def test_no_decay_has_a_slot_of_its_own():
    found = slots(DECAYS)
    assert (found[0].low, found[0].high) == (0, 1)
    assert found[1].low == 1 + ZERO_GAP
    assert all(found[i].high == found[i + 1].low for i in range(1, 4))
    assert slots((0.0,))[-1].high == 1
    assert slots(()) == ()


def test_outline_of_one_cell_is_its_four_sides():
    assert outline({(1, 0)}, slots((1, 2)), slots((1,))) == [
        Segment(1, 0, 1, 1),
        Segment(1, 0, 2, 0),
        Segment(1, 1, 2, 1),
        Segment(2, 0, 2, 1),
    ]


def test_outline_joins_straight_lines():
    """An L of three cells has six sides."""
    cells = {(0, 0), (1, 0), (0, 1)}
    assert len(outline(cells, slots((1, 2)), slots((1, 2)))) == 6


def test_outline_does_not_bridge_the_gap_above_no_decay():
    rows = slots((0.0, 1e-3))
    assert len(outline({(0, 0), (0, 1)}, slots((1,)), rows)) == 2 + 2 + 2 + 2
    assert len(outline({(0, 0), (0, 1)}, slots((1,)), slots((1e-4, 1e-3)))) == 4


@given(CELLS, st.booleans())
def test_outline_parts_inside_from_outside_everywhere(cells, with_zero):
    """Every unit stretch of an edge is drawn once if it parts the set from the rest, else never."""
    rows = slots(DECAYS if with_zero else (1, 2, 3, 4, 5))
    drawn = outline(cells, COLUMNS, rows)

    def times(x, y, upright):
        return sum(
            (s.x == s.x2 == x and s.y < y < s.y2)
            if upright
            else (s.y == s.y2 == y and s.x < x < s.x2)
            for s in drawn
        )

    for column in range(len(COLUMNS)):
        for row in range(len(rows)):
            inside = (column, row) in cells
            middle_x, middle_y = COLUMNS[column].middle, rows[row].middle
            left = (column - 1, row) in cells
            assert times(COLUMNS[column].low, middle_y, True) == (inside != left)
            parted = row > 0 and rows[row].low > rows[row - 1].high
            below = (column, row - 1) in cells and not parted
            assert times(middle_x, rows[row].low, False) == (inside != below)
    for row in range(len(rows)):
        assert times(COLUMNS[-1].high, rows[row].middle, True) == ((5, row) in cells)


def test_hatching_stays_inside_its_cell():
    heatmap = samples.partial().heatmaps[0]
    layout = grid(heatmap)
    column, row = layout.columns[2], layout.rows[3]
    lines = hatch(column, row, layout)
    assert len(lines) > 4
    for line in lines:
        assert column.low - 1e-9 <= line.x < line.x2 <= column.high + 1e-9
        assert row.low - 1e-9 <= line.y < line.y2 <= row.high + 1e-9


@pytest.mark.parametrize("name", [name for name in samples.AWKWARD if name != "no_optimizers"])
def test_every_grid_fits_its_panel_with_cells_to_point_at(name):
    layout = grid(samples.AWKWARD[name]().heatmaps[0])
    assert layout.width <= 284 + 1e-9
    assert layout.cell_height >= 11
    assert layout.height >= 72


def test_labels_are_thinned_until_they_fit():
    assert thinned(["a"] * 5, step_pixels=40, label_pixels=30) == [0, 1, 2, 3, 4]
    assert thinned(["a"] * 5, step_pixels=20, label_pixels=30) == [0, 2, 4]
    assert thinned(["a"] * 5, step_pixels=1, label_pixels=30) == [0]
    assert thinned([], 1, 30) == []
