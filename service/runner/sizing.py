"""How many trials train together: what workers measured, and what turned out too large."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from workers.contracts import Measurement, Pack, TrialSpec
from workers.packing import (
    best_size,
    groups,
    plan_packs,
    quick_sizes,
    sample,
    seconds_per_trial,
    shared_size,
)

UNMEASURED = 16
"""Trials of a pack, at most, where measuring has failed."""
MEASURED = 512
"""Trials of the largest stack that is measured."""


@dataclass
class _Known:
    """What is known of trials of one kind."""

    measurement: Measurement | None = None
    """None where measuring has failed."""
    most: int | None = None
    """Half of what did not fit."""


class PackSizes:
    """Chooses the size of packs, by kind: trials of one task, budget and set of optimizers.

    Lives as long as the runner: what is learnt from one study serves later ones.
    """

    def __init__(self, *, ceiling: int | None = None, memory_share: float = 1.0) -> None:
        """Know nothing yet.

        Args:
            ceiling: Most trials in a pack, whatever is measured.
            memory_share: Share of the free memory that packs may take.
        """
        self._ceiling = ceiling
        self._memory_share = memory_share
        self._kinds: dict[Hashable, _Known] = {}
        self._asked: dict[Hashable, int] = {}
        """Trials that were there to measure, by kind."""

    def open_question(self, kind: Hashable, trials: Sequence[TrialSpec]) -> Pack | None:
        """Return trials to measure before these can be planned; None when enough is known.

        What a small study taught says little about a large one: where its largest stack was the
        quickest, it is asked again once there are twice as many.
        """
        largest = 1 if self._ceiling == 1 else max(groups(trials), default=1)
        known = self._kinds.get(kind)
        if largest == 1 or (known is not None and not _open_ended(known.measurement)):
            return None
        question = Pack(sample(trials, min(MEASURED, self._ceiling or MEASURED)))
        if len(question.trials) < 2 * self._asked.get(kind, 0):
            return None
        self._asked[kind] = len(question.trials)
        return question

    def learn(self, kind: Hashable, measurement: Measurement | None) -> None:
        """Remember what trials of a kind cost; None when that could not be found out."""
        self._kinds.setdefault(kind, _Known()).measurement = measurement

    def too_large(self, kind: Hashable, size: int) -> None:
        """Remember that packs of this size ran out of memory: half as many may fit."""
        known = self._kinds.setdefault(kind, _Known())
        known.most = max(1, min(known.most or size, size // 2))

    def plan(
        self, kind: Hashable, trials: Sequence[TrialSpec], *, workers: int, sharing: int = 1
    ) -> list[Pack]:
        """Divide trials, in their order, into packs for so many workers.

        Args:
            kind: Of the trials.
            trials: In the order to train them.
            workers: How many packs run at the same time.
            sharing: How many of those share the memory that was measured as free.
        """
        known = self._kinds.get(kind, _Known())
        found = known.measurement
        share, epochs = self._memory_share / sharing, trials[0].budget.epochs if trials else 1
        most = UNMEASURED if found is None else best_size(found, share, epochs=epochs)
        most = min([most, *(limit for limit in (known.most, self._ceiling) if limit is not None)])
        seconds = seconds_per_trial({1: 1.0} if found is None else found.seconds)
        size = shared_size(groups(trials), most=most, workers=workers, seconds=seconds)
        return plan_packs(trials, size=size, workers=workers)

    def measurement(self, kind: Hashable) -> Measurement | None:
        """Return what was measured of trials of a kind, if it was."""
        return self._kinds.get(kind, _Known()).measurement


def _open_ended(measurement: Measurement | None) -> bool:
    """Tell whether larger stacks than those measured might be quicker still."""
    if measurement is None:
        return False
    return quick_sizes(measurement)[0] == max(measurement.seconds)
