"""How long a study still takes: from the pace of its packs so far, simulated to the end."""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

OVERDUE = 2.0
"""Time of an epoch, relative to those before, from which on it is anybody's guess."""


@dataclass(frozen=True)
class Timing:
    """When a pack's epochs came in."""

    size: int
    """Trials in it."""
    epochs: int
    """Of its budget."""
    reports: Sequence[float]
    """Seconds from the start of the pack to the end of each epoch so far."""
    first: bool = False
    """Whether it was its worker's first of the study, for which imports, compiling and the like
    were still to be done."""

    @property
    def steady(self) -> bool:
        """Whether it tells an epoch's time apart from the start: loading, compiling."""
        return len(self.reports) > 1

    @property
    def epoch(self) -> float:
        """Seconds of one epoch. At least one must have been reported."""
        if not self.steady:
            return self.reports[0]
        # The mean, not the median: reports may come in bursts, and what counts is their sum.
        return (self.reports[-1] - self.reports[0]) / (len(self.reports) - 1)

    @property
    def start(self) -> float:
        """Seconds until the first epoch began."""
        return max(0.0, self.reports[0] - self.epoch)


def seconds_left(
    running: Iterable[tuple[Timing, float]],
    finished: Iterable[Timing],
    waiting: Sequence[tuple[int, int]],
    *,
    workers: int,
    expected: Callable[[int], float] | None = None,
    expected_start: float = 0.0,
) -> float | None:
    """Estimate the time until the last pack ends.

    What the workers do next is simulated, pack by pack: three packs on two workers take as long as
    four. How long a pack takes to start is learnt from packs that were not their worker's first.

    Args:
        running: Packs in training, and the seconds since each was started.
        finished: Packs that have ended, as many as are worth remembering.
        waiting: Size and epochs of the packs to come, in their order.
        workers: Workers there are, at least those that are running.
        expected: Seconds that an epoch takes for each trial, by the size of its pack, as it was
            measured; packs in training have the last word on the pace.
        expected_start: Seconds that a pack takes to start, likewise.

    Returns:
        Seconds, or None before the first epoch is reported: until then, packs may be compiling.
    """
    running, finished = list(running), list(finished)
    reported = [one for one in (*finished, *(timing for timing, _ in running)) if one.reports]
    if not reported:
        return None
    share = expected or (lambda _: 1.0)
    # A first epoch alone does not tell its time from the start's; what was measured then does.
    known = [one for one in reported if one.steady] or finished or ([] if expected else reported)
    unit = median(one.epoch / (one.size * share(one.size)) for one in known) if known else 1.0
    start = min((one.start for one in reported if not one.first), default=expected_start)

    def epoch(size: int) -> float:
        return unit * size * share(size)

    free = [_rest(timing, passed, start, epoch(timing.size)) for timing, passed in running]
    free += [0.0] * (max(workers, 1) - len(free))
    heapq.heapify(free)
    for size, epochs in waiting:
        heapq.heapreplace(free, free[0] + start + epochs * epoch(size))
    return max(free)


def _rest(timing: Timing, passed: float, start: float, typical: float) -> float:
    """Return the seconds a running pack still takes, at its own pace where that is known.

    An epoch that is overdue has as long to go as one that has just begun.
    """
    each = timing.epoch if timing.steady else typical
    since = passed - timing.reports[-1] if timing.reports else passed - start
    if since > OVERDUE * each:
        since = 0.0
    return max(0.0, (timing.epochs - len(timing.reports)) * each - since)
