from dataclasses import replace

import pytest

from dashboards.verdict import honesty, most_tolerant, verdict
from service.heatmaps.model import RobustnessRow
from tests.dashboards import samples

DECAYS = samples.WEIGHT_DECAYS


def row(optimizer, best, width=3.0, bound=False, safe=(1e-3, 1e-1), **changes):
    made = RobustnessRow(
        optimizer=optimizer,
        title=samples.TITLES[optimizer],
        entry=optimizer,
        best=best,
        best_low=None,
        best_high=None,
        learning_rate=1e-3,
        weight_decay=1e-2,
        on_edge=(),
        width=width,
        width_is_bound=bound,
        safe_decays=safe if width is not None else None,
        area=0.3,
        area_low=None,
        area_high=None,
        log_decay_auc=None,
        worst=None,
        diverged=0,
        cells_done=35,
        cells=35,
    )
    return replace(made, **changes)


def said(*rows, metric=samples.ACCURACY):
    results = replace(samples.complete(), robustness=rows, metric=metric)
    return verdict(results)


def test_nothing_is_said_of_nothing():
    assert said() is None
    assert said(row("adamw", None)) is None
    assert verdict(samples.empty()) is None


def test_lpwd_ahead_in_both():
    text = said(row("adamw", 0.97, 2.0), row("adam-lpwd", 0.98, 3.0))
    assert "Adam + LPWD has the best score" in text
    assert "Adam + LPWD tolerates the widest range of weight decay, 3.00 decades" in text
    assert " not " not in text


def test_a_label_does_not_hide_lpwd_nor_make_it():
    behind = replace(row("adam-lpwd", 0.975, 2.0), optimizer="mine")
    assert "LPWD" in said(row("adamw", 0.98, 3.0), behind).replace("Adam + LPWD", "LPWD")
    assert "not the best" in said(row("adamw", 0.98, 3.0), behind)
    posing = replace(row("adamw", 0.975, 2.0), optimizer="not-lpwd")
    assert "not the best" not in said(row("adam-l2", 0.98, 3.0), posing)


def test_lpwd_behind_in_both_is_said():
    text = said(row("adamw", 0.98, 3.0), row("adam-lpwd", 0.975, 2.0))
    assert "AdamW has the best score" in text
    assert "Adam + LPWD is not the best here: 0.5 points behind AdamW." in text
    assert "Adam + LPWD is not the most tolerant either." in text


def test_lpwd_best_but_not_the_most_tolerant_is_said():
    text = said(row("adamw", 0.97, 3.0), row("adam-lpwd", 0.98, 2.0))
    assert "is not the best" not in text
    assert "Adam + LPWD is not the most tolerant." in text


def test_overlapping_intervals_hedge_a_gap():
    apart = {"best_low": 0.979, "best_high": 0.981}
    near = {"best_low": 0.970, "best_high": 0.980}
    far = {"best_low": 0.970, "best_high": 0.978}
    assert "overlap" in said(row("adamw", 0.98, **apart), row("adam-lpwd", 0.975, **near))
    assert "overlap" not in said(row("adamw", 0.98, **apart), row("adam-lpwd", 0.975, **far))


def test_less_is_better_where_the_metric_says_so():
    rows = (row("adamw", 0.30), row("adam-lpwd", 0.25))
    assert "Adam + LPWD has the best score, 0.25." in said(*rows, metric=samples.LOSS)
    assert "0.05 behind Adam + LPWD" not in said(*rows, metric=samples.LOSS)


def test_equal_scores_are_shared():
    text = said(row("adamw", 0.98), row("adam-lpwd", 0.98))
    assert "AdamW and Adam + LPWD share the best score" in text


def test_an_unfinished_study_speaks_of_so_far():
    assert said(row("adamw", 0.98, cells_done=34)).startswith("So far: ")
    assert not said(row("adamw", 0.98)).startswith("So far")


def test_a_lower_bound_may_exceed_the_greatest_width():
    exact, bound = row("adamw", 0.9, 3.0), row("adam-lpwd", 0.9, 2.0, bound=True)
    found, text = most_tolerant([exact, bound], DECAYS)
    assert found == [exact, bound]
    assert "cannot be told" in text


def test_a_lower_bound_beyond_every_exact_width_is_the_widest():
    exact, bound = row("adamw", 0.9, 2.0), row("adam-lpwd", 0.9, 2.5, bound=True)
    found, text = most_tolerant([exact, bound], DECAYS)
    assert found == [bound]
    assert "≥ 2.50 decades" in text


def test_where_all_ranges_leave_below_the_upper_ends_are_compared():
    low = min(decay for decay in DECAYS if decay)
    weak = row("adamw", 0.9, 3.0, bound=True, safe=(low, 0.1))
    strong = row("adam-lpwd", 0.9, 3.5, bound=True, safe=(low, 0.35))
    found, text = most_tolerant([weak, strong], DECAYS)
    assert found == [strong]
    assert text == "Adam + LPWD tolerates the strongest weight decay, up to 3.5e-1."
    edge = replace(strong, safe_decays=(low, max(DECAYS)))
    assert most_tolerant([weak, edge], DECAYS)[1].endswith("up to 1, where the grid ends.")


def test_many_names_are_counted():
    low = min(decay for decay in DECAYS if decay)
    rows = [row(name, 0.9, safe=(low, 0.1)) for name in samples.TITLES]
    assert "AdamW, Adam + L2, Adam + RWD and 2 others tolerate" in most_tolerant(rows, DECAYS)[1]


def test_one_optimizer_is_compared_with_nobody():
    assert said(row("adam-lpwd", 0.98)) == (
        "Adam + LPWD has the best score, 98.00\N{NO-BREAK SPACE}%."
    )


@pytest.mark.parametrize("name", samples.AWKWARD)
def test_every_study_gets_a_verdict_or_none(name):
    results = samples.AWKWARD[name]()
    text = verdict(results)
    assert (text is None) == all(row.best is None for row in results.robustness)


def test_few_seeds_are_admitted():
    assert honesty(3) == (
        "3 seeds: too few to call any difference significant (at least 6 are needed)."
    )
    assert honesty(1).startswith("1 seed: too few")
    assert "too few" not in honesty(6)
    assert "the order may be chance" in honesty(6)
