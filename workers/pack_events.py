"""What a pool of workers tells of the packs it was given."""

from dataclasses import dataclass

from workers.contracts import Device, EpochReport, Measurement


@dataclass(frozen=True)
class EpochDone:
    """A pack has trained one epoch more."""

    ticket: int
    report: EpochReport
    device: Device


@dataclass(frozen=True)
class PackEnded:
    """A pack has trained its whole budget."""

    ticket: int


@dataclass(frozen=True)
class PackFailed:
    """A pack raised an error: trying the same again would raise it again."""

    ticket: int
    reason: str


@dataclass(frozen=True)
class PackTooLarge:
    """A pack ran out of memory: with fewer trials it may fit."""

    ticket: int
    reason: str


@dataclass(frozen=True)
class PackLost:
    """A pack's worker died, or the pack was cancelled. Its unfinished trials may be tried again."""

    ticket: int
    reason: str


@dataclass(frozen=True)
class Measured:
    """What a pack's trials cost has been measured."""

    ticket: int
    measurement: Measurement


PackEvent = EpochDone | PackEnded | PackFailed | PackTooLarge | PackLost | Measured
