"""A pack from its first epoch, or a checkpoint, to the end of its budget."""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pickle import UnpicklingError

import torch

from workers.contracts import EpochReport, Pack
from workers.memory import is_exhausted
from workers.training.run import StackedRun

LEAVE = 0.25
"""Share of a stack that must have diverged before the others close the ranks: that has a price, as
programs are made for the new size."""
LEAVE_COMPILED = 0.5
"""The same where programs are compiled."""
CHECKPOINT_SECONDS = 30.0
"""Time between two checkpoints."""
_UNREADABLE = (
    RuntimeError, UnpicklingError, EOFError, OSError, LookupError, TypeError, ValueError
)  # fmt: skip
"""What `torch.load` says of bytes that it did not write."""


def train(
    pack: Pack,
    device: torch.device | str = "cpu",
    *,
    checkpoint: bytes | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    wanted: Callable[[], bool] = bool,
) -> Iterator[EpochReport]:
    """Train a pack to the end of its budget, telling of every epoch.

    A trial that diverges is reported once, in the epoch it did. Its slice goes on computing without
    touching the others until so many have diverged that the stack is made smaller.

    Args:
        pack: What to train.
        device: Where.
        checkpoint: Of an earlier report of the same pack: go on after it, to the same bits.
        checkpoint_seconds: Time between two checkpoints; none comes with the last epoch.
        wanted: Asked after every epoch: whether to write one though it is not time yet.

    Raises:
        ValueError: The checkpoint is of another pack, or not one at all.
    """
    run = StackedRun(pack, device)
    gone: set[int] = set()
    left: set[int] = set()
    if checkpoint is not None:
        gone, left = _resume(run, checkpoint)
    share = LEAVE_COMPILED if pack.budget.numerics.compile else LEAVE
    written = time.monotonic()
    while run.epoch < pack.budget.epochs and len(gone) < len(pack.trials):
        report = run.train_epoch()
        fresh = {k: reason for k, reason in report.diverged.items() if k not in gone}
        gone |= set(fresh)
        report = replace(report, diverged=fresh)
        last = run.epoch == pack.budget.epochs or len(gone) == len(pack.trials)
        if not last and len(gone - left) >= share * (len(pack.trials) - len(left)):
            run.leave(gone - left)
            left = set(gone)
        if not last and (time.monotonic() - written >= checkpoint_seconds or wanted()):
            report = replace(report, checkpoint=_checkpoint(run, gone, left))
            written = time.monotonic()
        yield report


def _checkpoint(run: StackedRun, gone: set[int], left: set[int]) -> bytes:
    """Write a run's state: tensors and plain containers, so that it is read without unpickling."""
    buffer = io.BytesIO()
    keys = [trial.key for trial in run.pack.trials]
    state = {"trials": keys, "gone": sorted(gone), "left": sorted(left), "run": run.state()}
    torch.save(state, buffer)
    return buffer.getvalue()


def _resume(run: StackedRun, checkpoint: bytes) -> tuple[set[int], set[int]]:
    """Bring a run to where a checkpoint was written; returns who had diverged, and left."""
    try:
        state = torch.load(io.BytesIO(checkpoint), map_location=run.device, weights_only=True)
        keys, found = state["trials"], state["run"]
    except _UNREADABLE as error:
        if is_exhausted(error):  # which says nothing of the bytes
            raise
        raise ValueError(f"not a checkpoint of this engine: {error}") from error
    if keys != [trial.key for trial in run.pack.trials]:
        raise ValueError("the checkpoint is of other trials than the pack's")
    run.load_state(found)
    return set(state["gone"]), set(state["left"])
