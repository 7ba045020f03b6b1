"""Paired comparisons against scipy, brute force and values worked out by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import permutation_test, ttest_1samp

from lpwd import paired
from lpwd import robustness as r

NAN = np.nan
DECAYS = np.array([0.0, 0.01, 0.1, 1.0, 10.0])
MAPS = arrays(float, (3, 5, 4), elements=st.floats(0, 1, width=16))
quick = settings(max_examples=60)


def test_cells_are_as_scipy_has_them():
    generator = np.random.default_rng(1)
    one, other = generator.normal(size=(2, 2, 3, 6))
    found = paired.cells(one, other)
    for place in product(range(2), range(3)):
        difference = one[place] - other[place]
        interval = ttest_1samp(difference, 0).confidence_interval(0.95)
        assert found.mean[place] == pytest.approx(difference.mean())
        assert found.low[place] == pytest.approx(interval.low)
        assert found.high[place] == pytest.approx(interval.high)
        assert found.seeds[place] == 6
        expected = permutation_test(
            (difference,), np.mean, permutation_type="samples", n_resamples=np.inf
        )
        assert found.p[place] == pytest.approx(expected.pvalue)


def test_seeds_that_only_one_has_do_not_count():
    one = np.array([[[1.0, 2.0, NAN, 4.0], [NAN] * 4, [1.0, NAN, NAN, NAN]]])
    other = np.array([[[0.5, NAN, 3.0, 3.5], [1.0] * 4, [0.5, 1.0, 1.0, 1.0]]])
    found = paired.cells(one, other)
    assert found.seeds.tolist() == [[2, 0, 1]]
    assert found.mean[0, 0] == 0.5
    assert (found.low[0, 0], found.high[0, 0]) == (0.5, 0.5)
    assert np.isnan(found.mean[0, 1])
    assert np.isnan(found.low[0, 2])
    assert found.p.tolist() == [[0.5, 1.0, 1.0]]


@pytest.mark.parametrize(
    ("seeds", "smallest"), [(3, 0.25), (5, 0.0625), (6, 0.03125), (8, 2 / 256)]
)
def test_the_smallest_p_there_is(seeds, smallest):
    one = np.arange(seeds, dtype=float).reshape(1, 1, -1) + 1
    assert paired.cells(one, np.zeros_like(one)).p[0, 0] == smallest


def test_too_few_seeds_are_never_significant():
    low, high = np.array([1.0]), np.array([2.0])
    assert not paired.significant(low, high, np.array([5]), np.array([0.0]))[0]
    assert paired.significant(low, high, np.array([6]), np.array([0.04]))[0]
    assert paired.significant(-high, -low, np.array([6]), np.array([0.04]))[0]
    assert not paired.significant(-low, high, np.array([6]), np.array([0.0]))[0]
    assert not paired.significant(low, high, np.array([6]), np.array([0.05]))[0]
    assert not paired.significant(np.array([NAN]), high * NAN, np.array([6]), np.array([0.0]))[0]


def test_many_seeds_are_sampled_and_never_give_zero():
    one = np.ones((1, 1, 20))
    assert 0 < paired.cells(one, np.zeros_like(one)).p[0, 0] < 0.001


def test_holm_by_hand():
    found = paired.holm(np.array([[0.01, 0.04], [0.03, 0.005]]))
    assert found == pytest.approx(np.array([[0.03, 0.06], [0.06, 0.02]]))
    assert paired.holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


@given(MAPS, st.floats(0.001, 0.5), st.booleans())
@quick
def test_measures_of_maps_are_those_of_the_robustness_table(scores, epsilon, maximize):
    means = r.seed_mean(scores)
    best = r.best_cell(means, maximize=maximize)
    top = float(means[best])
    assert paired.chosen(maximize)(np.concatenate([means, 2 * means])[None])[0] == 2 * top
    assert paired.area(epsilon, maximize)(means[None])[0] == pytest.approx(
        r.tolerance_area(means, top, epsilon=epsilon, maximize=maximize)
    )
    safe = r.tolerance(means[best[0]], DECAYS, best[1], epsilon=epsilon, maximize=maximize)
    width = paired.width(DECAYS, epsilon, maximize)(means[None])[0]
    assert width == pytest.approx(safe.decades if safe else 0.0, abs=1e-9)


@given(MAPS, MAPS)
@quick
def test_a_comparison_the_other_way_round_has_the_other_sign(one, other):
    for measure in (paired.area(0.1, True), paired.width(DECAYS, 0.1, True)):
        there, back = paired.compare(one, other, measure), paired.compare(other, one, measure)
        assert there.value == pytest.approx(-back.value)
        assert there.p == pytest.approx(back.p)
        assert there.interval.low == pytest.approx(-back.interval.high)


def test_exchanging_whole_seeds_is_as_brute_force():
    generator = np.random.default_rng(2)
    one, other = generator.uniform(size=(2, 3, 5, 4))
    measure = paired.width(DECAYS, 0.2, True)
    found = paired.compare(one, other, measure)

    def difference(first, second):
        return (measure(first.mean(axis=-1)[None]) - measure(second.mean(axis=-1)[None]))[0]

    every = []
    for kept in product((True, False), repeat=4):
        first, second = np.where(kept, one, other), np.where(kept, other, one)
        every.append(abs(difference(first, second)))
    assert found.value == pytest.approx(difference(one, other))
    assert found.p == pytest.approx(np.mean([d >= abs(found.value) - 1e-9 for d in every]))


def test_equal_maps_differ_by_nothing():
    scores = np.random.default_rng(3).uniform(size=(3, 5, 6))
    found = paired.compare(scores, scores, paired.area(0.1, True))
    assert (found.value, found.p) == (0.0, 1.0)
    assert (found.interval.low, found.interval.high) == (0.0, 0.0)


def test_maps_with_holes_are_refused():
    whole = np.zeros((1, 1, 2))
    for one, other in ((whole, whole * NAN), (whole, np.zeros((1, 1, 3)))):
        with pytest.raises(ValueError, match="complete"):
            paired.compare(one, other, paired.area(0.1, True))
