"""A pack goes on from a checkpoint to the same bits, and trials that diverged leave it."""

import numpy as np
import pytest
import torch

from workers.contracts import CURVES, Pack, Precision
from workers.training import StackedRun, train

WILD = (1.0, 500.0)
"""Rates at which every step turns the weights over and makes them 499 times larger."""


def all_of(pack, **options):
    return list(train(pack, checkpoint_seconds=0.0, **options))


def curves(reports):
    return np.stack([report.values for report in reports])


@pytest.mark.parametrize(
    "optimizers",
    [
        ("adamw", "adam-lpwd", "sgd-lpwd"),
        ("adams", "adamc", "adam-norm-control", "adam-cautious"),
        ("lion", "schedule-free-adamw"),
    ],
)
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_it_goes_on_to_the_same_bits(trial, optimizers, schedule):
    pack = Pack(
        tuple(
            trial(o, 0.01, decay, seed=seed, epochs=4, schedule=schedule)
            for o in optimizers
            for seed, decay in ((0, 0.1), (1, 0.0))
        )
    )
    whole = all_of(pack)
    assert [report.checkpoint is not None for report in whole] == [True, True, True, False]
    for done in (1, 3):
        rest = all_of(pack, checkpoint=whole[done - 1].checkpoint)
        assert [report.epoch for report in rest] == list(range(done + 1, 5))
        np.testing.assert_array_equal(curves(rest), curves(whole[done:]))


def test_running_statistics_and_noise_go_on_as_well(trial, tiny):
    pack = Pack(
        tuple(trial("adam-lpwd", 0.01, d, task="svhn-cnn", batch_size=32, epochs=2) for d in (0, 1))
    )
    whole = all_of(pack)
    rest = all_of(pack, checkpoint=whole[0].checkpoint)
    np.testing.assert_array_equal(curves(rest), curves(whole[1:]))


def test_who_has_left_stays_away(trial):
    wild, tame = trial("adamw", *WILD, epochs=6), trial("adamw", 0.01, 0.1, epochs=6)
    pack = Pack((wild, tame, trial("adam-lpwd", 0.01, 0.1, epochs=6)))
    whole = all_of(pack)
    assert [list(report.diverged) for report in whole] == [[0], [], [], [], [], []]
    for done in (1, 4):
        rest = all_of(pack, checkpoint=whole[done - 1].checkpoint)
        assert not any(report.diverged for report in rest)
        np.testing.assert_array_equal(curves(rest), curves(whole[done:]))
        assert np.isnan(rest[-1].values[0]).all()


def test_a_checkpoint_is_of_one_pack(trial):
    mine, other = Pack((trial(epochs=2),)), Pack((trial(seed=1, epochs=2),))
    checkpoint = all_of(mine)[0].checkpoint
    with pytest.raises(ValueError, match="of other trials"):
        all_of(other, checkpoint=checkpoint)


@pytest.mark.parametrize("how", ["empty", "cut", "garbled", "of something else"])
def test_what_is_no_checkpoint_is_refused(trial, how, tmp_path):
    pack = Pack((trial(epochs=2),))
    whole = all_of(pack)[0].checkpoint
    torch.save({"nothing": 1}, tmp_path / "other")
    broken = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "garbled": whole[:100] + b"\x00" * 400 + whole[500:],
        "of something else": (tmp_path / "other").read_bytes(),
    }[how]
    with pytest.raises(ValueError, match="not a checkpoint"):
        all_of(pack, checkpoint=broken)


def test_memory_that_runs_out_makes_no_checkpoint_a_bad_one(trial, monkeypatch):
    pack = Pack((trial(epochs=2),))
    checkpoint = all_of(pack)[0].checkpoint

    def load(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(RuntimeError, match="can't allocate"):
        all_of(pack, checkpoint=checkpoint)


def test_a_checkpoint_runs_no_code(trial, tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("pwned").touch, ())

    with pytest.raises(ValueError, match="not a checkpoint"):
        all_of(Pack((trial(),)), checkpoint=pickle.dumps(Evil(), protocol=2))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left", [{0}, {2, 3}, {0, 1, 4}, {1, 2, 3, 4, 5}])
def test_others_do_not_notice_who_leaves(trial, left):
    trials = [
        trial(o, 0.01, decay, seed=seed, precision=Precision.FLOAT64)
        for o in ("adam-lpwd", "lion", "sgd-rwd")
        for seed, decay in ((0, 0.1), (1, 0.3))
    ]
    whole, thinned = (StackedRun(Pack(tuple(trials))) for _ in range(2))
    whole.train_epoch()
    thinned.train_epoch()
    thinned.leave(left)
    expected, found = whole.train_epoch().values, thinned.train_epoch().values
    for position in range(len(trials)):
        if position in left:
            assert np.isnan(found[position]).all()
        else:
            np.testing.assert_allclose(found[position], expected[position], rtol=1e-6)


def test_a_diverged_optimizer_leaves_as_a_whole(trial):
    wild = [trial("sgdw", 1.0, decay, epochs=5) for decay in (500.0, 900.0)]
    tame = trial("adam-lpwd", 0.01, 0.1, epochs=5)
    reports = all_of(Pack((*wild, tame)))
    alone = curves(all_of(Pack((tame,))))
    np.testing.assert_allclose(curves(reports)[:, 2], alone[:, 0], rtol=1e-3)
    assert reports[-1].values[2, CURVES.index("test_score")] > 0.8
