"""What a runner may be doing, and with what."""

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self


class RunnerState(StrEnum):
    """What a runner does."""

    IDLE = "idle"
    TRAINING = "training"
    DRAINING = "draining"
    """It was asked to stop, and puts back what it has not finished."""


@dataclass(frozen=True)
class DeviceUse:
    """A worker's device, and what it trains now."""

    kind: str
    """``cpu`` or ``cuda``."""
    name: str
    node: str
    """The machine it is in."""
    pid: int
    """Of the worker's process."""
    memory: int
    """Bytes."""
    trials: int | None = None
    """Of the pack that it trains; None while it waits or measures, or a search has it."""
    epoch: int | None = None
    """Trained of it so far."""
    epochs: int | None = None
    """Of its budget."""
    measuring: bool = False
    """Whether it finds out how many trials train quickest together."""

    def to_json(self) -> dict[str, Any]:
        """Return it as the database keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**data)


@dataclass(frozen=True)
class Runner:
    """A runner, as it last said."""

    id: str
    host: str
    pid: int
    state: RunnerState
    study_id: str | None
    devices: tuple[DeviceUse, ...]
    started_at: datetime
    seen_at: datetime
    up: bool
    """Whether it was heard of just now."""

    @property
    def starting(self) -> bool:
        """Whether it would train, and has no device up to train on yet."""
        return self.up and self.state is RunnerState.IDLE and not self.devices
