"""How long a study still takes: from the pace of its packs so far, simulated to the end."""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median


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
        Seconds, or None while nothing is known to go by.
    """
    running = list(running)
    known = [one for one in (*finished, *(timing for timing, _ in running)) if one.reports]
    known = [one for one in known if one.steady] or known
    if not known and expected is None:
        return None
    share = expected or (lambda _: 1.0)
    paces = [one.epoch / (one.size * share(one.size)) for one in known]
    unit = median(paces) if paces else 1.0
    start = min((one.start for one in known if not one.first), default=expected_start)

    def epoch(size: int) -> float:
        return unit * size * share(size)

    free = [_rest(timing, passed, start, epoch(timing.size)) for timing, passed in running]
    free += [0.0] * (max(workers, 1) - len(free))
    heapq.heapify(free)
    for size, epochs in waiting:
        heapq.heapreplace(free, free[0] + start + epochs * epoch(size))
    return max(free)


def _rest(timing: Timing, passed: float, start: float, typical: float) -> float:
    """Return the seconds a running pack still takes, at its own pace where that is known."""
    if not timing.reports:
        return max(start + timing.epochs * typical - passed, (timing.epochs - 1) * typical, 0.0)
    each = timing.epoch if timing.steady else typical
    open_epochs = timing.epochs - len(timing.reports)
    since = min(passed - timing.reports[-1], each)
    return max(0.0, open_epochs * each - since)
