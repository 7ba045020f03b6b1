"""How long a study still takes: from the pace of its packs so far, simulated to the end."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
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
    kind: Hashable = None
    """What a worker that has trained it need not trace anew for others."""
    worker: Hashable = None
    """Where it trains; None while that is not known."""
    traced: bool = False
    """Whether its worker had to trace its kind."""

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
    waiting: Sequence[tuple[int, int, Hashable]],
    *,
    workers: int,
    traced: Collection[tuple[Hashable, Hashable]] = (),
    expected: Callable[[int], float] | None = None,
    expected_start: float = 0.0,
    expected_tracing: float = 0.0,
) -> float | None:
    """Estimate the time until the last pack ends.

    What the workers do next is simulated, pack by pack: three packs on two workers take as long as
    four. How long a pack takes to start is learnt from packs that were not their worker's first,
    apart for those that it had to trace.

    Args:
        running: Packs in training, and the seconds since each was started.
        finished: Packs that have ended, as many as are worth remembering.
        waiting: Size, epochs and kind of the packs to come, in their order.
        workers: Workers there are, at least those that are running.
        traced: Workers and the kinds that they have traced.
        expected: Seconds that an epoch takes for each trial, by the size of its pack, as it was
            measured; packs in training have the last word on the pace.
        expected_start: Seconds that a pack takes to start, likewise.
        expected_tracing: Seconds that it takes longer if its worker has to trace its kind.

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
    later = [one for one in known if not one.first]
    start = min((one.start for one in later if not one.traced), default=expected_start)
    more = [max(0.0, one.start - start) for one in later if one.traced]
    tracing = median(more) if more else expected_tracing

    def epoch(size: int) -> float:
        return unit * size * share(size)

    kinds: defaultdict[Hashable, set[Hashable]] = defaultdict(set)
    for worker, kind in traced:
        kinds[worker].add(kind)
    training = [(timing, passed, kinds.pop(timing.worker, None)) for timing, passed in running]
    # Where a pack without a report trains is not known: on one of the others.
    others = [*kinds.values()]
    places: list[tuple[float, int, set[Hashable]]] = []
    for timing, passed, own in training:
        its = own if own is not None else others.pop() if others else set()
        begins = start if timing.kind in its else start + tracing
        its.add(timing.kind)
        places.append((_rest(timing, passed, begins, epoch(timing.size)), len(places), its))
    while len(places) < workers:
        places.append((0.0, len(places), others.pop() if others else set()))
    heapq.heapify(places)
    for size, epochs, kind in waiting:
        free, place, its = places[0]
        begins = start if kind in its else start + tracing
        its.add(kind)
        heapq.heapreplace(places, (free + begins + epochs * epoch(size), place, its))
    return max(free for free, *_ in places)


def _rest(timing: Timing, passed: float, start: float, typical: float) -> float:
    """Return the seconds a running pack still takes, at its own pace where that is known.

    An epoch that is overdue has as long to go as one that has just begun.
    """
    each = timing.epoch if timing.steady else typical
    since = passed - timing.reports[-1] if timing.reports else passed - start
    if since > OVERDUE * each:
        since = 0.0
    return max(0.0, (timing.epochs - len(timing.reports)) * each - since)
