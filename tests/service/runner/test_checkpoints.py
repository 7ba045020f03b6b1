"""Checkpoints on disk: whole or not at all, and never a reason to fail."""

import os
from pathlib import Path

import numpy as np
import pytest

from service.runner.checkpoints import Checkpoints, Saved
from service.runner.pack_run import PackRun
from workers.contracts import Budget, Device, EpochReport, Pack, TrialSpec

KEYS = ["a" * 32, "b" * 32, "c" * 32]
CURVES = np.arange(2 * 3 * 5, dtype=np.float32).reshape(2, 3, 5)
DEVICE = Device("cpu", "test", 1)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


@pytest.fixture
def checkpoints(folder):
    return Checkpoints(folder, most_bytes=10**6)


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_was_saved_is_read_again(checkpoints):
    checkpoints.save("study", KEYS, {1}, CURVES, b"state")
    (saved,) = checkpoints.load("study")
    assert saved.keys == tuple(KEYS)
    assert saved.closed == {1}
    assert saved.state() == b"state"
    np.testing.assert_array_equal(saved.curves, CURVES)
    assert checkpoints.load("another") == []


def test_the_newest_takes_the_place_of_the_last(checkpoints, folder):
    for state in (b"one", b"two"):
        checkpoints.save("study", KEYS, set(), CURVES, state)
    checkpoints.save("study", KEYS[:2], set(), CURVES[:, :2], b"three")
    assert {saved.state() for saved in checkpoints.load("study")} == {b"two", b"three"}
    assert len(files(folder)) == 2


def test_removing(checkpoints):
    checkpoints.save("one", KEYS, set(), CURVES, b"")
    checkpoints.save("two", KEYS, set(), CURVES, b"")
    checkpoints.remove("one", KEYS)
    checkpoints.remove("one", KEYS[:1])
    assert checkpoints.load("one") == []
    assert checkpoints.studies() == ["one", "two"]
    checkpoints.forget(["one", "two", "three"])
    assert checkpoints.studies() == []


def broken(path, how):
    whole = path.read_bytes()
    with path.open("wb") as file:
        file.write(
            {
                "empty": b"",
                "cut": whole[: len(whole) // 2],
                "garbage": b"no checkpoint" * 100,
                "flipped": whole.replace(b"curves", b"surves"),
            }[how]
        )


@pytest.mark.parametrize("how", ["empty", "cut", "garbage", "flipped"])
def test_a_broken_file_is_ignored_and_removed(checkpoints, folder, how, caplog):
    checkpoints.save("study", KEYS, set(), CURVES, b"state" * 100)
    broken(next(folder.rglob("*.npz")), how)
    assert checkpoints.load("study") == []
    assert "is ignored" in caplog.text
    assert files(folder) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"curves": CURVES.astype(np.float64)},
        {"curves": CURVES[:, :2]},
        {"curves": CURVES[:0]},
        {"closed": {0, 1, 2}},
        {"closed": {7}},
    ],
)
def test_what_does_not_hold_together_is_ignored(checkpoints, folder, wrong):
    whole = {"keys": KEYS, "closed": set(), "curves": CURVES, "state": b"state"}
    checkpoints.save("study", **{**whole, **wrong})
    assert checkpoints.load("study") == []
    assert files(folder) == []


def test_pickles_are_not_read(checkpoints, folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (folder / "study").mkdir(parents=True)
    traps = np.array([Trap()], dtype=object)
    np.savez(folder / "study" / "trap.npz", keys=traps, closed=traps, curves=traps, state=traps)
    assert checkpoints.load("study") == []
    assert not (tmp_path / "sprung").exists()


def test_room_is_limited(folder, caplog):
    checkpoints = Checkpoints(folder, most_bytes=5000)
    checkpoints.save("study", KEYS, set(), CURVES, bytes(3000))
    checkpoints.save("study", KEYS, set(), CURVES, bytes(3100))  # in the place of the first
    assert caplog.text == ""
    checkpoints.save("study", KEYS[:2], set(), CURVES[:, :2], bytes(3000))
    assert "LPWD_CHECKPOINT_BYTES" in caplog.text
    (saved,) = checkpoints.load("study")
    assert len(saved.state()) == 3100


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(folder, caplog):
    folder.write_text("a file where the folder should be")
    Checkpoints(folder, most_bytes=10**6).save("study", KEYS, set(), CURVES, b"state")
    assert "cannot be kept" in caplog.text


def test_a_study_that_another_runner_removes_meanwhile_is_no_reason_to_fail(
    checkpoints, monkeypatch
):
    checkpoints.save("ended", KEYS, set(), CURVES, b"state")
    look = os.scandir

    def removed(folder):
        if Path(folder).name == "ended":
            for file in Path(folder).iterdir():
                file.unlink()
            Path(folder).rmdir()
        return look(folder)

    monkeypatch.setattr(os, "scandir", removed)
    assert checkpoints.save("study", KEYS, set(), CURVES, b"state")


def pack():
    budget = Budget(4, 64)
    return Pack(
        tuple(
            TrialSpec("digits-mlp", 1, "adamw", 1, 0.001 * (i + 1), 0.1, 0, budget)
            for i in range(3)
        )
    )


def report(epoch, *, diverged=None, checkpoint=None):
    values = np.full((3, 5), epoch, np.float32)
    return EpochReport(epoch, values, diverged or {}, checkpoint)


def test_a_pack_goes_on_with_what_was_known_at_its_checkpoint(checkpoints):
    run = PackRun(pack())
    run.start()
    run.hear(report(1), DEVICE)
    run.hear(report(2, diverged={1: "why"}, checkpoint=b"state"), DEVICE)
    run.hear(report(3, diverged={2: "why"}), DEVICE)
    run.keep(checkpoints, "study")
    (saved,) = checkpoints.load("study")
    again = PackRun(pack(), saved)
    assert (again.epochs, again.to_come, again.open) == (2, 2, [0, 2])
    again.only(run.open_keys)  # the third is known by now
    assert again.open == [0]
    again.start()
    assert again.hear(report(3, diverged={2: "why"}), DEVICE) == {}
    assert (again.epochs, again.to_come, again.timing.epochs) == (3, 2, 2)
    np.testing.assert_array_equal(again.curves(0)[:, 0], [1, 2, 3])


def test_a_checkpoint_is_kept_once_and_only_while_a_trial_is_open(checkpoints, folder):
    run = PackRun(pack())
    run.start()
    run.keep(checkpoints, "study")
    assert files(folder) == []
    run.hear(report(1, checkpoint=b"state"), DEVICE)
    run.keep(checkpoints, "study")
    checkpoints.remove("study", run.keys)
    run.keep(checkpoints, "study")
    assert files(folder) == []
    run.hear(report(2, diverged=dict.fromkeys(range(3), "why"), checkpoint=b"state"), DEVICE)
    run.keep(checkpoints, "study")
    assert files(folder) == []


def test_without_its_checkpoint_a_pack_begins_anew(tmp_path):
    saved = Saved(tmp_path / "gone.npz", tuple(KEYS), frozenset(), CURVES)
    run = PackRun(pack(), saved)
    with pytest.raises(OSError, match="gone"):
        saved.state()
    run.begin_anew()
    assert (run.epochs, run.to_come) == (0, 4)
