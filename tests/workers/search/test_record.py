"""What a point's value is while it trains, and how known trials are told again."""

import numpy as np
import pytest

from tests.service.search.points import values
from workers.contracts import CURVES
from workers.search.contracts import KnownTrial
from workers.search.record import TEST, PointRecord
from workers.search.trainable import replay


def test_the_value_is_the_mean_over_the_seeds():
    record = PointRecord(2, 0.1)
    epoch = values(0.5)
    epoch[1] += 0.2
    record.add(epoch, {})
    assert record.value() == pytest.approx(0.6)
    assert record.value(TEST) == pytest.approx(0.59)
    assert record.scores().shape == (1, 2)


def test_a_diverged_seed_scores_chance_whatever_its_row_holds():
    record = PointRecord(2, 0.1)
    record.add(values(0.5), {})
    broken = values(0.7)
    broken[0] = np.nan
    record.add(broken, {0: "first"})
    record.add(broken, {0: "again"})
    assert record.diverged == {0: "first"}
    assert not record.all_diverged
    np.testing.assert_allclose(record.scores(), [[0.5, 0.5], [0.1, 0.7], [0.1, 0.7]])
    assert record.value() == pytest.approx(0.4)
    assert record.curves(0).shape == (2, len(CURVES))
    assert record.curves(1).shape == (3, len(CURVES))


def test_a_record_without_an_epoch_has_no_scores():
    assert PointRecord(3, 0.1).scores().shape == (0, 3)


def test_known_trials_are_told_again_as_they_were():
    record = PointRecord(2, 0.1)
    for score, diverged in ((0.5, {}), (0.6, {1: "why"}), (0.7, {})):
        record.add(values(score), diverged)
    known = (
        KnownTrial(record.curves(0), None, 3.0),
        KnownTrial(record.curves(1), "why", 1.5),
    )
    again = PointRecord(2, 0.1)
    seconds = []
    for report, so_far in replay(known):
        again.add(report.values, report.diverged)
        seconds.append(so_far)
    assert seconds == [1.5, 3.0, 4.5]
    assert again.diverged == {1: "why"}
    np.testing.assert_array_equal(again.scores(), record.scores())
    for seed in (0, 1):
        np.testing.assert_array_equal(again.curves(seed), record.curves(seed))
