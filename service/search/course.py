"""What the process of a search told since it was started: pure, but for the clock."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.search.estimate import Used, seconds_left
from service.search.repository import Outcome, Underway
from workers.contracts import TrialSpec
from workers.search.contracts import Past, PointEnded, PointEpoch, Proposed, Search
from workers.search.record import PointRecord


@dataclass
class _Open:
    """A point in training."""

    trials: tuple[TrialSpec, ...]
    record: PointRecord
    seconds: float = 0.0
    device: str | None = None


class Course:
    """Points in training, what they bring, and what is used up of the budgets."""

    def __init__(self, search: Search, chance: float, past: Mapping[str, Sequence[Past]]) -> None:
        """Begin.

        Args:
            search: What is searched.
            chance: Score of a diverged seed.
            past: By label, points that had ended before.
        """
        self._search = search
        self._chance = chance
        self._optimizers = {one.label: one for one in search.optimizers}
        self._open: dict[tuple[str, int], _Open] = {}
        self._used = {
            label: Used(len(points), sum(point.seconds for point in points))
            for label, points in past.items()
        }
        self._used_before = dict(self._used)
        self._began: float | None = None
        """When the first point was begun."""

    @property
    def open(self) -> int:
        """How many points are in training."""
        return len(self._open)

    def begin(self, point: Proposed) -> tuple[TrialSpec, ...]:
        """Take in a point that is about to be trained; returns its trials."""
        trials = self._search.trials(self._optimizers[point.label], point.parameters)
        self._open[point.label, point.number] = _Open(trials, self._new_record())
        if self._began is None:
            self._began = time.monotonic()
        return trials

    def _new_record(self) -> PointRecord:
        return PointRecord(len(self._search.seeds), self._chance)

    def note(self, message: PointEpoch) -> None:
        """Take in an epoch of a point."""
        point = self._open[message.label, message.number]
        if message.epoch == 1:  # the first, or once more after its worker was lost
            point.record = self._new_record()
        point.record.add(message.values, message.diverged)
        point.seconds = message.seconds
        point.device = message.device.trained_on

    def end(self, message: PointEnded) -> Outcome:
        """Take in a point's end; returns what came of it."""
        point = self._open.pop((message.label, message.number))
        used = self._used.get(message.label, Used())
        self._used[message.label] = Used(used.ended + 1, used.seconds + point.seconds)
        return Outcome(
            label=message.label,
            number=message.number,
            state=message.state,
            reason=message.reason,
            record=point.record,
            seconds=point.seconds,
            device=point.device,
            trials=point.trials,
        )

    def underway(self) -> list[Underway]:
        """Return how far points in training have come."""
        return [
            Underway(
                label=label,
                number=number,
                epochs=point.record.epochs,
                value=point.record.value(),
                seconds=point.seconds,
                device=point.device or "",
            )
            for (label, number), point in self._open.items()
            if point.record.epochs
        ]

    def seconds_left(self, now: float) -> float | None:
        """Estimate the time until every budget is used up; None while it cannot be told."""
        if self._began is None:
            return None
        used = dict(self._used)
        for (label, _), point in self._open.items():
            one = used.get(label, Used())
            used[label] = Used(one.ended, one.seconds + point.seconds)
        return seconds_left(self._search, self._used_before, used, now - self._began)
