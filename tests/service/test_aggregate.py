"""From trials to maps, rows and curves, by hand."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.stats import t as student_t

from service.heatmaps.aggregate import aggregate, best_cells
from service.heatmaps.exports import to_csv, to_json
from service.heatmaps.layout import Columns, lay_out
from service.heatmaps.model import CellState
from service.trials.model import TrialState
from tests.service import work
from workers import tasks
from workers.tasks.task import Metric, Task

DONE, DIVERGED, FAILED = TrialState.DONE, TrialState.DIVERGED, TrialState.FAILED
RUNNING, PENDING = TrialState.RUNNING, TrialState.PENDING


def spec(**changes):
    request = {
        "task": "digits-mlp",
        "optimizers": ["adamw"],
        "learning_rates": [0.001, 0.01, 0.1],
        "weight_decays": [0, 0.01, 0.1, 1],
        "seeds": 2,
    }
    return work.spec_of(request | changes)


def trials(of, score):
    """Lay out every trial; `score` gives (validation, test), or a state, by (η, λ, seed)."""
    found = []
    for variant in of.variants:
        for place in product(of.learning_rates, of.weight_decays, of.seeds):
            given = score(*place)
            if isinstance(given, TrialState):
                found.append((variant.label, *place, "", given, None, None))
            else:
                found.append((variant.label, *place, "", DONE, *given))
    return lay_out(
        of, [Columns(*zip(*part, strict=True)) for part in (found[::2], found[1::2]) if part]
    )


def results(of, score, **options):
    options = {"split": "test", "tolerance": 0.01, "curves": {}} | options
    return aggregate(of, trials(of, score), **options)


def test_the_best_cell_is_chosen_on_validation_and_reported_on_test():
    def score(lr, wd, _):
        return (0.99, 0.80) if (lr, wd) == (0.01, 0.1) else (0.90, 0.95)

    found = results(spec(), score)
    (row,) = found.robustness
    assert (row.learning_rate, row.weight_decay, row.best) == (0.01, 0.1, pytest.approx(0.80))
    assert row.on_edge == ()
    assert found.heatmaps[0].best.mean == pytest.approx(0.80)
    # Tolerance is measured from the best that is shown: a poor choice must not pass for robustness.
    assert [cell.within_tolerance for cell in found.heatmaps[0].cells.values()].count(False) == 1
    assert not found.heatmaps[0].best.within_tolerance
    assert row.area == pytest.approx(11 / 12)
    assert found.domain == (pytest.approx(0.85), pytest.approx(0.95))
    shown = results(spec(), score, split="validation")
    assert shown.robustness[0].best == pytest.approx(0.99)
    assert shown.robustness[0].area == pytest.approx(1 / 12)
    assert shown.metric.split == "validation"


def test_means_and_intervals_over_seeds():
    found = results(spec(seeds=3), lambda _lr, _wd, seed: (0.9, 0.90 + seed / 100))
    cell = found.heatmaps[0].cells[0.01, 0.1]
    half = student_t.ppf(0.975, 2) * 0.01 / np.sqrt(3)
    assert cell.scores == (0.90, 0.91, 0.92)
    assert cell.mean == pytest.approx(0.91)
    assert (cell.low, cell.high) == (pytest.approx(0.91 - half), pytest.approx(0.91 + half))
    assert (cell.state, cell.seeds, cell.diverged, cell.failed) == (CellState.DONE, 3, 0, 0)


def test_a_diverged_trial_scores_chance_and_is_counted():
    def score(lr, wd, seed):
        if wd == 1:
            return DIVERGED
        return DIVERGED if (lr, wd, seed) == (0.1, 0.1, 1) else (0.9, 0.9)

    found = results(spec(), score)
    cells = found.heatmaps[0].cells
    assert cells[0.1, 0.1].scores == (0.9, 0.1)
    assert cells[0.1, 0.1].mean == pytest.approx(0.5)
    assert (cells[0.1, 0.1].state, cells[0.1, 0.1].diverged) == (CellState.DONE, 1)
    assert (cells[0.1, 1].state, cells[0.1, 1].diverged) == (CellState.DIVERGED, 2)
    assert cells[0.1, 1].mean == pytest.approx(0.1)
    (row,) = found.robustness
    assert (row.diverged, row.cells_done, row.cells) == (7, 12, 12)
    assert row.worst == pytest.approx(0.1)


def test_the_tolerance_interval_of_the_best_learning_rate():
    scores = {0: 0.90, 0.01: 0.94, 0.1: 0.95, 1: 0.93}

    def score(lr, wd, _):
        value = scores[wd] if lr == 0.01 else 0.5
        return value, value

    (row,) = results(spec(), score).robustness
    # Down to 0.94 at the weak end: exactly ε, so within; half way to 0.93 at the strong end.
    low, high = row.safe_decays
    assert low == pytest.approx(0.01)
    assert high == pytest.approx(10**-0.5)
    assert row.width == pytest.approx(1.5)
    assert row.width_is_bound
    assert row.area == pytest.approx(2 / 12)


def test_a_study_without_a_result_has_maps_and_no_numbers():
    found = results(spec(), lambda *_: PENDING)
    (row,) = found.robustness
    assert found.domain is None
    assert found.curves == ()
    assert (row.best, row.width, row.area, row.worst, row.cells_done) == (None, None, None, None, 0)
    assert found.heatmaps[0].best is None
    assert {cell.state for cell in found.heatmaps[0].cells.values()} == {CellState.PENDING}
    assert aggregate(spec(), lay_out(spec(), []), split="test", tolerance=0.01, curves={}) == found
    assert best_cells(spec(), lay_out(spec(), [])) == {}


def test_a_study_in_training_shows_what_there_is():
    def score(lr, wd, seed):
        if lr == 0.1:
            return RUNNING if seed == 1 else (0.7, 0.7)
        if lr == 0.01:
            return FAILED if seed == 0 else (0.8, 0.8)
        return PENDING

    found = results(spec(), score)
    cells = found.heatmaps[0].cells
    assert (cells[0.1, 0].state, cells[0.1, 0].scores) == (CellState.RUNNING, (0.7,))
    assert (cells[0.01, 0].state, cells[0.01, 0].failed) == (CellState.FAILED, 1)
    assert (cells[0.001, 0].state, cells[0.001, 0].mean) == (CellState.PENDING, None)
    assert (cells[0.1, 0].low, cells[0.1, 0].high) == (None, None)
    (row,) = found.robustness
    assert (row.best, row.learning_rate, row.cells_done) == (pytest.approx(0.8), 0.01, 0)
    to_json(found)


def test_one_seed_has_no_intervals():
    (row,) = results(spec(seeds=1), lambda *_: (0.9, 0.9)).robustness
    assert (row.best_low, row.best_high, row.area_low, row.area_high) == (None,) * 4
    assert row.best == 0.9


def test_with_no_weight_decay_at_all_there_is_no_width():
    (row,) = results(spec(weight_decays=[0]), lambda *_: (0.9, 0.9)).robustness
    assert (row.width, row.safe_decays, row.log_decay_auc) == (None, None, None)
    assert row.on_edge == ("learning_rate",)


def test_a_single_cell():
    one = spec(learning_rates=[0.1], weight_decays=[0.1], seeds=1)
    (row,) = results(one, lambda *_: (0.9, 0.9)).robustness
    assert (row.on_edge, row.width, row.width_is_bound, row.area) == ((), 0.0, True, 1.0)


@pytest.mark.parametrize(
    ("at", "edges"),
    [
        ((0.01, 0.1), ()),
        ((0.01, 0), ()),
        ((0.01, 1), ("weight_decay",)),
        ((0.001, 0.1), ("learning_rate",)),
        ((0.1, 1), ("learning_rate", "weight_decay")),
    ],
)
def test_a_best_at_the_edge_of_the_grid_is_said(at, edges):
    def score(lr, wd, _):
        return (0.9, 0.9) if (lr, wd) == at else (0.5, 0.5)

    (row,) = results(spec(), score).robustness
    assert row.on_edge == edges


def test_when_everything_diverged_nothing_is_best_and_nothing_is_robust():
    found = results(spec(), lambda *_: DIVERGED)
    (row,) = found.robustness
    assert (row.best, row.diverged) == (None, 24)
    assert (row.width, row.safe_decays, row.area, row.area_low) == (None, None, None, None)
    assert found.heatmaps[0].best is None
    assert not any(cell.within_tolerance for cell in found.heatmaps[0].cells.values())


def test_a_map_that_hardly_rises_above_chance_is_no_plateau():
    (row,) = results(spec(), lambda *_: (0.13, 0.13)).robustness
    assert row.best == pytest.approx(0.13)
    assert (row.width, row.safe_decays, row.area) == (None, None, None)
    (row,) = results(spec(), lambda *_: (0.16, 0.16)).robustness
    assert row.area == 1.0


def test_intervals_stay_within_what_an_accuracy_can_be():
    found = results(spec(seeds=2), lambda _lr, _wd, seed: (0.9, (0.9, 1.0)[seed]))
    cell = found.heatmaps[0].cells[0.01, 0.1]
    (row,) = found.robustness
    assert (cell.high, row.best_high) == (1.0, 1.0)
    assert 0 <= cell.low < 0.9
    assert 0 <= row.best_low < 0.9


def test_two_settings_of_one_optimizer_are_two_maps():
    both = spec(
        optimizers=["adamw", {"name": "adamw", "label": "slow", "hyperparameters": {"beta1": 0.5}}]
    )
    found = results(both, lambda *_: (0.9, 0.9))
    assert [one.optimizer for one in found.heatmaps] == ["adamw", "slow"]
    assert [one.title for one in found.heatmaps] == ["AdamW", "AdamW (slow)"]


@pytest.fixture
def regression(monkeypatch):
    """A task whose metric is better when smaller."""
    loss = replace(tasks.get("digits-mlp"), name="test-loss", metric=Metric("loss", False, 2.3))
    monkeypatch.setitem(tasks._registry._items, loss.name, loss)
    return loss


def test_a_metric_to_minimise_is_upside_down(regression: Task):
    def score(lr, wd, _):
        if wd == 1:
            return DIVERGED
        return (0.2, 0.3) if (lr, wd) == (0.01, 0.01) else (0.5, 0.5)

    found = results(spec(task=regression.name), score, tolerance=0.1)
    (row,) = found.robustness
    assert (row.best, row.learning_rate, row.weight_decay) == (pytest.approx(0.3), 0.01, 0.01)
    assert row.worst == pytest.approx(2.3)
    assert row.area == pytest.approx(1 / 12)
    assert found.domain == (pytest.approx(0.3), pytest.approx(0.5))
    assert found.heatmaps[0].cells[0.01, 0.01].within_tolerance
    assert not found.heatmaps[0].cells[0.01, 1].within_tolerance


def test_curves_are_means_over_seeds_and_end_with_the_shortest():
    curves = [np.full((3, 5), 0.9, np.float32), np.full((2, 5), 0.7, np.float32)]
    found = results(spec(), lambda *_: (0.9, 0.9), curves={"adamw": curves})
    (curve,) = found.curves
    assert (curve.epochs, curve.seeds) == ((1, 2), 2)
    assert curve.mean == (pytest.approx(0.8), pytest.approx(0.8))
    assert curve.low[0] < 0.7 < 0.9 < curve.high[0]
    single = results(spec(), lambda *_: (0.9, 0.9), curves={"adamw": curves[:1]}).curves[0]
    assert (single.low, single.high) == (None, None)


def test_csv_has_a_line_a_cell_whatever_is_finished():
    found = results(spec(), lambda lr, wd, seed: (0.9, 0.9) if seed == 0 else PENDING)
    lines = to_csv(found).split("\r\n")
    assert lines[0].endswith("within_tolerance,score_1,score_2")
    assert len(lines) == 1 + 12 + 1
    assert lines[1] == "adamw,0.001,0.0,pending,2,1,0,0,0.9,,,True,True,0.9,"
