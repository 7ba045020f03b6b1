"""The order in which a map fills."""

from collections import Counter
from itertools import pairwise
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from service.studies.order import coarse_to_fine, levels
from tests.service.work import spec_of
from workers.packing import plan_packs

axes = st.integers(1, 40)


@given(axes)
def test_every_level_halves_the_gaps_of_an_axis(count):
    found = levels(count)
    assert found[0] == found[-1] == 0
    for level in range(max(found) + 1):
        there = [i for i, own in enumerate(found) if own <= level]
        gaps = [right - left for left, right in pairwise(there)]
        assert max(gaps, default=0) <= ceil((count - 1) / 2**level)


@given(axes, axes)
def test_every_cell_comes_once(rows, columns):
    order = coarse_to_fine(rows, columns)
    assert sorted(order) == [(i, j) for i in range(rows) for j in range(columns)]


@given(axes, axes)
def test_the_beginning_is_a_coarse_map_of_the_whole(rows, columns):
    order = coarse_to_fine(rows, columns)
    of_row, of_column = levels(rows), levels(columns)
    for level in range(max(of_row + of_column) + 1):
        coarse = {
            (i, j)
            for i in range(rows)
            for j in range(columns)
            if of_row[i] <= level and of_column[j] <= level
        }
        assert set(order[: len(coarse)]) == coarse


def grid(optimizers, rates, decays, seeds=1):
    return spec_of(
        {
            "task": "digits-mlp",
            "optimizers": ["adamw", "adam-lpwd", "adam-l2", "sgdw"][:optimizers],
            "learning_rates": [0.001 * (i + 1) for i in range(rates)],
            "weight_decays": [0.001 * i for i in range(decays)],
            "seeds": seeds,
        }
    )


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
def test_optimizers_advance_together_and_seeds_follow_each_other(optimizers, rates, decays, seeds):
    spec = grid(optimizers, rates, decays, seeds)
    trials = spec.trials()
    assert len({trial.key for trial in trials}) == len(trials) == spec.trial_count
    assert [trial.seed for trial in trials] == sorted(trial.seed for trial in trials)
    counts = Counter({variant.name: 0 for variant in spec.variants})
    for trial in trials:
        counts[trial.optimizer] += 1
        assert max(counts.values()) - min(counts.values()) <= 1


def test_the_first_pack_holds_corners_and_centre_of_every_map():
    spec = grid(4, 5, 7)
    trials = spec.trials()
    (first, *_) = plan_packs(trials, size=32)
    assert {trial.key for trial in first.trials} == {t.key for t in trials[: len(first.trials)]}
    rates, decays = spec.learning_rates, spec.weight_decays
    wanted = {(rates[i], decays[j]) for i in (0, 4) for j in (0, 6)} | {(rates[2], decays[3])}
    for variant in spec.variants:
        cells = {
            (trial.learning_rate, trial.weight_decay)
            for trial in first.trials
            if trial.optimizer == variant.name
        }
        assert cells >= wanted, variant.name
