"""Points whose seeds train by themselves."""

import numpy as np

from workers.contracts import CURVES, EpochReport
from workers.search.trainable import in_turn


def reports(epochs, *, diverges=None):
    """Tell of a trial whose values are its epochs; it ends where it diverges."""
    for epoch in range(1, epochs + 1):
        values = np.full((1, len(CURVES)), epoch, np.float32)
        yield EpochReport(epoch, values, {0: "it grew"} if epoch == diverges else {})
        if epoch == diverges:
            return


def test_an_epoch_of_each_makes_an_epoch_of_all():
    found = list(in_turn([reports(3), reports(3)], after=0))
    assert [report.epoch for report in found] == [1, 2, 3]
    assert [report.values.tolist() for report in found] == [[[n] * 5] * 2 for n in (1, 2, 3)]
    assert not any(report.diverged for report in found)


def test_they_train_no_further_than_they_are_asked_for():
    each = [reports(3), reports(3)]
    next(in_turn(each, after=0))
    assert [next(one).epoch for one in each] == [2, 2]


def test_who_diverges_goes_and_the_others_go_on():
    found = list(in_turn([reports(3, diverges=2), reports(3)], after=0))
    assert [report.diverged for report in found] == [{}, {0: "it grew"}, {}]
    assert np.isnan(found[2].values[0]).all()
    assert found[2].values[1].tolist() == [3] * 5


def test_what_was_told_before_is_not_told_again_but_who_diverged_is():
    found = list(in_turn([reports(4, diverges=1), reports(4)], after=2))
    assert [report.epoch for report in found] == [3, 4]
    assert [report.diverged for report in found] == [{0: "it grew"}, {}]


def test_nothing_is_told_once_all_have_diverged():
    found = list(in_turn([reports(4, diverges=1), reports(4, diverges=2)], after=0))
    assert [report.epoch for report in found] == [1, 2]
