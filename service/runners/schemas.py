"""Runners and devices in JSON."""

from datetime import datetime

from service.runners.model import RunnerState
from service.studies.schemas import Answer


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
    """Of the pack that it trains; null while it waits, or a search has it."""
    epoch: int | None
    """Epochs of the pack that are done."""
    epochs: int | None
    """Epochs of its budget."""


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


class PlacedDeviceAnswer(DeviceAnswer):
    """A device, with the runner that uses it."""

    runner_id: str
    host: str
    """Where the runner is."""
    study_id: str | None
    """What it trains."""
