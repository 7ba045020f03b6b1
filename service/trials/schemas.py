"""Trials in JSON."""

from datetime import datetime
from typing import Any

from service.bodies import Answer
from service.trials.model import TrialState


class TrialAnswer(Answer):
    """A training run and its outcome."""

    key: str
    """Name of the trial: a hash of everything that determines its numbers."""
    task: str
    task_version: int
    optimizer: str
    optimizer_version: int
    hyperparameters: dict[str, Any]
    learning_rate: float
    weight_decay: float
    seed: int
    epochs: int
    batch_size: int
    schedule: str
    numerics: dict[str, Any]
    """How numbers were computed: precision, amp, channels_last, compile, cuda_graphs."""
    engine_version: int
    state: TrialState
    reason: str | None
    """Why it diverged or failed."""
    epochs_done: int
    validation_score: float | None
    validation_loss: float | None
    test_score: float | None
    test_loss: float | None
    train_loss: float | None
    seconds: float | None
    """Its share of the time its pack trained."""
    device: str | None
    created_at: datetime
    finished_at: datetime | None


class StudyOfTrial(Answer):
    """A study that a trial belongs to."""

    id: str
    name: str


class TrialWithCurves(TrialAnswer):
    """A trial with its values after every epoch, where it is used, and how to train it again."""

    studies: tuple[StudyOfTrial, ...]
    """Those that ask for it, newest first, 100 at most."""
    reproduce: str
    """Command that trains it again in a shell: on the same machine, to the same bits."""
    last_loss: str | None
    """Why the last worker that died with it did."""

    curves: dict[str, list[float | None]]
    """Curve name to one value an epoch; null where a value was not finite."""


class TrialPage(Answer):
    """Some trials of a study, in the order they are trained."""

    items: tuple[TrialAnswer, ...]
    next_offset: int | None
    """Hand it back as `offset` for the next page; null on the last."""
