"""Runners, devices and the queue in JSON."""

from datetime import datetime

from service.bodies import Answer
from service.runners.model import RunnerState
from service.studies.model import StudyState


class DeviceAnswer(Answer):
    """A worker's device, and what it trains now."""

    kind: str
    """`cpu` or `cuda`."""
    name: str
    node: str
    """The machine it is in."""
    pid: int
    """Of the worker's process."""
    memory: int
    """Bytes."""
    trials: int | None
    """Of the pack that it trains; null while it waits or measures, or a search has it."""
    epoch: int | None
    """Epochs of the pack that are done."""
    epochs: int | None
    """Epochs of its budget."""
    measuring: bool
    """Whether it finds out how many trials train quickest together."""


class RunnerAnswer(Answer):
    """A runner, as it last said."""

    id: str
    host: str
    pid: int
    state: RunnerState
    study_id: str | None
    """What it trains."""
    devices: tuple[DeviceAnswer, ...]
    started_at: datetime
    seen_at: datetime
    up: bool
    """Whether it was heard of just now; one that stays silent is forgotten after two minutes."""
    starting: bool
    """Whether its workers are not up yet; it takes no study before."""


class PlacedDeviceAnswer(DeviceAnswer):
    """A device, with the runner that uses it."""

    runner_id: str
    host: str
    """Where the runner is."""
    study_id: str | None
    """What it trains."""


class QueueEntryAnswer(Answer):
    """A study that is trained or waits."""

    study_id: str
    name: str
    task: str
    state: StudyState
    owner: str | None
    """Name of the key it was sent with; null where none was needed."""
    priority: int
    created_at: datetime
    position: int | None
    """From 1; null of a study in training."""
    reason: str | None
    """What a study waits for, and what can be done; null of one in training."""
    starts_in: float | None
    """Seconds until it starts, where that can be told: of as many as there are runners."""
    progress: float | None
    """Of a study in training, in [0, 1]."""
    eta_seconds: float | None
    """Of a study in training, until it ends, where that can be told."""
    device: str | None
    """Of a study in training: what it trains on."""


class QueueAnswer(Answer):
    """Who trains what, and what comes next."""

    running: tuple[QueueEntryAnswer, ...]
    waiting: tuple[QueueEntryAnswer, ...]
    """The next, in the order they will be taken: by priority, then owners in turns, then age."""
    waiting_count: int
    """All that wait, those not shown included."""
    runners: tuple[RunnerAnswer, ...]
