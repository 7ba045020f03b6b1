"""Robustness metrics against values worked out by hand, and against brute force."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import t

from lpwd import robustness as r

NAN = np.nan
DECAYS = np.array([0.0, 0.01, 0.1, 1.0, 10.0])
SCORES = st.floats(0, 1, width=16)
MEANS = arrays(float, (5,), elements=SCORES)
GRIDS = arrays(float, (3, 4, 2), elements=SCORES | st.just(NAN))
quick = settings(max_examples=60)


def test_seed_mean_counts_only_the_seeds_that_are_there():
    scores = np.array([[[1.0, 3.0], [NAN, 2.0], [NAN, NAN]]])
    assert np.array_equal(r.seed_mean(scores), [[2.0, 2.0, NAN]], equal_nan=True)


def test_best_cell_is_the_first_of_equals_in_the_stated_direction():
    means = np.array([[0.1, 0.9], [0.9, NAN], [0.1, 0.5]])
    assert r.best_cell(means) == (0, 1)
    assert r.best_cell(means, maximize=False) == (0, 0)
    assert r.best_cell(np.full((2, 2), NAN)) is None


def test_tolerance_crosses_between_neighbours_where_the_line_in_log_decay_does():
    # Threshold 0.88: half way from 0.90 to 0.86, a quarter of the way from 0.89 to 0.85.
    means = np.array([0.1, 0.86, 0.90, 0.89, 0.85])
    found = r.tolerance(means, DECAYS, 2, epsilon=0.02)
    assert found.low == pytest.approx(10**-1.5)
    assert found.high == pytest.approx(10**0.25)
    assert found.decades == pytest.approx(1.75)
    assert not found.is_bound


def test_tolerance_stops_at_the_grid_and_says_so():
    found = r.tolerance(np.array([0.5, 0.9, 0.9, 0.5, 0.9]), DECAYS, 1, epsilon=0.2)
    assert (found.low, found.open_low, found.open_high) == (0.01, True, False)
    assert found.high == pytest.approx(10 ** (-1 + 0.5))  # not the island at 10
    found = r.tolerance(np.full(5, 0.9), DECAYS, 3, epsilon=0.01)
    assert (found.low, found.high, found.decades) == (0.01, 10.0, pytest.approx(3.0))
    assert found.open_low
    assert found.open_high


def test_tolerance_with_the_best_at_zero_begins_at_the_smallest_positive_decay():
    assert r.tolerance(np.array([0.9, 0.8, 0.9, 0.9, 0.9]), DECAYS, 0, epsilon=0.05) is None
    found = r.tolerance(np.array([0.9, 0.88, 0.80, 0.9, 0.9]), DECAYS, 0, epsilon=0.05)
    assert found.low == 0.01
    assert found.high == pytest.approx(10 ** (-2 + 0.03 / 0.08))


def test_tolerance_needs_a_positive_decay_and_a_score():
    assert r.tolerance(np.array([0.9]), np.array([0.0]), 0, epsilon=0.1) is None
    assert r.tolerance(np.array([NAN, NAN]), np.array([0.1, 1]), 0, epsilon=0.1) is None
    single = r.tolerance(np.array([0.9]), np.array([0.1]), 0, epsilon=0.1)
    assert (single.decades, single.open_low, single.open_high) == (0.0, True, True)


def test_tolerance_ends_at_a_hole():
    found = r.tolerance(np.array([NAN, NAN, 0.9, NAN, 0.9]), DECAYS, 2, epsilon=0.1)
    assert (found.low, found.high) == (0.1, 0.1)
    assert not found.is_bound


@given(MEANS, st.floats(0.001, 0.3), st.floats(1.0, 3.0))
@quick
def test_tolerance_grows_with_epsilon_and_holds_the_best(means, epsilon, factor):
    best = int(means.argmax())
    narrow = r.tolerance(means, DECAYS, best, epsilon=epsilon)
    wide = r.tolerance(means, DECAYS, best, epsilon=epsilon * factor)
    if narrow is None:
        assert best == 0
        return
    assert wide is not None
    slack = 1e-9
    assert wide.low <= narrow.low * (1 + slack)
    assert narrow.high <= wide.high * (1 + slack)
    assert 0.01 * (1 - slack) <= narrow.low <= narrow.high * (1 + slack) <= 10 * (1 + slack)
    if best > 0:
        assert narrow.low * (1 - slack) <= DECAYS[best] <= narrow.high * (1 + slack)


@given(MEANS, st.floats(0.001, 0.3))
@quick
def test_losses_are_scores_upside_down(means, epsilon):
    best = int(means.argmax())
    up = r.tolerance(means, DECAYS, best, epsilon=epsilon)
    down = r.tolerance(-means, DECAYS, best, epsilon=epsilon, maximize=False)
    assert up == down
    grid = means[None, :]
    assert r.best_cell(grid) == r.best_cell(-grid, maximize=False)
    assert r.worst_case(means) == -r.worst_case(-means, maximize=False)
    assert r.best_of_k(grid, 3) == pytest.approx(-r.best_of_k(-grid, 3, maximize=False))
    auc, mirrored = (
        r.log_decay_auc(grid, DECAYS),
        r.log_decay_auc(-grid, DECAYS, maximize=False),
    )
    assert auc == pytest.approx(-mirrored)
    assert r.tolerance_area(grid, means.max(), epsilon=epsilon) == r.tolerance_area(
        -grid, -means.max(), epsilon=epsilon, maximize=False
    )


def test_area_by_hand():
    means = np.array([[0.9, 0.895, 0.88], [0.5, NAN, 0.891]])
    assert r.tolerance_area(means, 0.9, epsilon=0.01) == pytest.approx(3 / 6)
    assert r.tolerance_area(means, 0.9, epsilon=1) == pytest.approx(5 / 6)
    assert r.tolerance_area(-means, -0.9, epsilon=0.01, maximize=False) == pytest.approx(3 / 6)


def test_auc_by_hand():
    means = np.array([[0.0, 0.2, 0.9, 0.1], [1.0, 0.6, 0.3, 0.5]])
    decays = np.array([0.0, 0.01, 0.1, 10.0])
    # Best along: 0.6, 0.9, 0.5; one decade at 0.75, two at 0.7.
    assert r.log_decay_auc(means, decays) == pytest.approx((0.75 + 2 * 0.7) / 3)
    assert r.log_decay_auc(means[:, :2], decays[:2]) is None
    means[0, 3] = NAN
    assert r.log_decay_auc(means, decays) is None


def test_worst_case_is_over_what_is_there():
    assert r.worst_case(np.array([0.9, NAN, 0.2])) == 0.2
    assert r.worst_case(np.array([0.9, NAN, 0.2]), maximize=False) == 0.9
    assert r.worst_case(np.array([NAN])) is None


@given(arrays(float, (2, 2), elements=SCORES), st.integers(1, 4))
@quick
def test_best_of_k_is_the_mean_of_the_best_over_every_draw(means, k):
    draws = list(product(means.ravel(), repeat=k))
    assert r.best_of_k(means, k) == pytest.approx(np.mean([max(draw) for draw in draws]))
    least = np.mean([min(draw) for draw in draws])
    assert r.best_of_k(means, k, maximize=False) == pytest.approx(least)


def test_best_of_k_refuses_what_has_no_answer():
    with pytest.raises(ValueError, match="k = 0"):
        r.best_of_k(np.ones((1, 1)), 0)
    with pytest.raises(ValueError, match="score in every cell"):
        r.best_of_k(np.array([[NAN, 1.0]]), 2)


@given(GRIDS, GRIDS, st.floats(0.001, 0.5))
@quick
def test_intervals_hold_the_estimate(chosen, reported, epsilon):
    reported = np.where(np.isnan(chosen), NAN, np.nan_to_num(reported))
    found = r.best_interval(chosen, reported)
    area = r.tolerance_area_interval(chosen, epsilon=epsilon)
    if np.isnan(chosen).all():
        assert found is None
        assert area is None
        return
    best = r.seed_mean(reported)[r.best_cell(r.seed_mean(chosen))]
    assert found.low - 1e-12 <= best <= found.high + 1e-12
    assert 0 <= area.low <= area.high <= 1


def test_one_seed_has_no_interval_and_equal_seeds_have_a_point():
    one = np.array([[[0.9], [0.8]]])
    assert r.best_interval(one, one) is None
    assert r.tolerance_area_interval(one, epsilon=0.01) is None
    same = np.repeat(one, 3, axis=-1)
    assert r.best_interval(same, same) == r.Interval(pytest.approx(0.9), pytest.approx(0.9))
    area = r.tolerance_area_interval(same, epsilon=0.01)
    assert (area.low, area.high) == (0.5, 0.5)


def test_the_interval_of_the_best_reports_where_the_other_split_chose():
    chosen = np.array([[[0.9, 0.9], [0.1, 0.1]]])
    reported = np.array([[[0.3, 0.5], [1.0, 1.0]]])
    found = r.best_interval(chosen, reported)
    # Every resample chooses the first cell: the t interval of a mean of two, 0.4 ± 12.7 · 0.1.
    half = t.ppf(0.975, 1) * 0.1
    assert (found.low, found.high) == (
        pytest.approx(0.4 - half, rel=0.05),
        pytest.approx(0.4 + half, rel=0.05),
    )


def test_an_uncertain_choice_widens_the_interval():
    sure = np.array([[[0.80, 0.82, 0.84, 0.86], [0.1, 0.1, 0.1, 0.1]]])
    torn = np.array([[[0.80, 0.82, 0.84, 0.86], [0.9, 0.7, 0.95, 0.76]]])
    reported = np.array([[[0.80, 0.82, 0.84, 0.86], [0.5, 0.5, 0.5, 0.5]]])
    narrow, wide = r.best_interval(sure, reported), r.best_interval(torn, reported)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_the_order_of_the_seeds_moves_an_interval_by_resampling_noise_only():
    scores = np.random.default_rng(3).normal(0.9, 0.02, (3, 4, 8))
    there = r.best_interval(scores, scores)
    back = r.best_interval(scores[..., ::-1], scores[..., ::-1])
    assert there.low == pytest.approx(back.low, abs=0.004)
    assert there.high == pytest.approx(back.high, abs=0.004)
