"""The time left, against studies that are played through to their end."""

import heapq
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.runner.estimate import Timing, seconds_left


@dataclass
class Played:
    """A study as it really goes: workers take packs as they come, with moods of their own."""

    workers: int
    sizes: list[int]
    epochs: int
    each: float
    """Seconds an epoch takes for one trial."""
    first_start: float
    """Seconds that a worker's first pack takes to start: compiling, above all."""
    start: float = 0.2
    tracing: float = 0.0
    """Seconds it takes longer where a worker has not trained its kind."""
    kinds: int = 1
    """Kinds of packs, which take turns."""
    noise: float = 0.1
    share: object = staticmethod(lambda size: 1.0)
    seed: int = 0
    packs: list = field(default_factory=list)

    def __post_init__(self):
        random = Random(self.seed)
        free = [(0.0, worker) for worker in range(self.workers)]
        heapq.heapify(free)
        known = [set() for _ in range(self.workers)]
        for place, size in enumerate(self.sizes):
            began, worker = heapq.heappop(free)
            kind, first = place % self.kinds, not known[worker]
            traced = kind not in known[worker]
            clock = began + (self.first_start if first else self.start) + self.tracing * traced
            known[worker].add(kind)
            reports = []
            for _ in range(self.epochs):
                mood = 1 + self.noise * random.uniform(-1, 1)
                clock += size * self.share(size) * self.each * mood
                reports.append(clock)
            timing = Timing(size, self.epochs, reports, first, kind, worker, traced)
            self.packs.append((began, timing))
            heapq.heappush(free, (clock, worker))
        self.end = max(timing.reports[-1] for _, timing in self.packs)

    def estimate(self, now):
        """What a runner would say at that moment."""
        running, finished, waiting, traced = [], [], [], set()
        for began, pack in self.packs:
            seen = tuple(r - began for r in pack.reports if r <= now)
            timing = replace(pack, reports=seen)
            if began > now:
                waiting.append((pack.size, self.epochs, pack.kind))
                continue
            if seen:
                traced.add((pack.worker, pack.kind))
            else:  # nobody knows its worker yet
                timing = replace(timing, first=False, worker=None, traced=False)
            if len(seen) == self.epochs:
                finished.append(timing)
            else:
                running.append((timing, now - began))
        return seconds_left(
            running,
            finished,
            waiting,
            workers=self.workers,
            traced=traced,
            expected=self.share,
            expected_start=self.start,
            expected_tracing=self.tracing,
        )

    @property
    def first_pack(self):
        return min(timing.reports[-1] for _, timing in self.packs)


played = st.builds(
    Played,
    workers=st.integers(1, 8),
    sizes=st.lists(st.integers(8, 48), min_size=1, max_size=60),
    epochs=st.integers(3, 40),
    each=st.floats(0.001, 2),
    first_start=st.floats(0, 60),
    start=st.just(0.0),
    tracing=st.floats(0, 5),
    kinds=st.integers(1, 12),
    share=st.sampled_from([lambda size: 1.0, lambda size: 1 + 8 / size]),
    seed=st.integers(0, 100),
)


@given(played, st.floats(0, 1))
def test_after_the_first_pack_it_is_right(study, later):
    now = study.first_pack + later * (study.end - study.first_pack)
    estimate = study.estimate(now)
    assert estimate == pytest.approx(study.end - now, rel=0.25, abs=0.12 * _pack(study))


def _pack(study):
    """Time of the longest pack: by which of the last packs is taken first, moods decide."""
    return max(timing.reports[-1] - began for began, timing in study.packs)


def test_it_is_close_where_moods_are_small():
    for seed in range(20):
        sizes = [40] * 31
        study = Played(2, sizes, epochs=20, each=0.01, first_start=15, noise=0.02, seed=seed)
        left = study.end - study.first_pack
        assert study.estimate(study.first_pack) == pytest.approx(left, rel=0.03)


def test_three_packs_on_two_workers_take_as_long_as_four():
    done = [Timing(10, 4, (1.0, 2.0, 3.0, 4.0))]
    for count, rounds in ((1, 1), (2, 1), (3, 2), (4, 2), (5, 3)):
        left = seconds_left([], done, [(10, 4, None)] * count, workers=2)
        assert left == pytest.approx(4 * rounds)


def test_compiling_once_does_not_spoil_it():
    first = Timing(10, 3, (61.0, 62.0, 63.0), first=True)
    second = Timing(10, 3, (1.1, 2.1, 3.1))
    left = seconds_left([], [first, second], [(10, 3, None)] * 5, workers=1)
    assert left == pytest.approx(5 * 3.1)


def test_each_worker_traces_a_kind_once():
    done = [Timing(10, 3, (61.0, 62.0, 63.0), True, "a", 0, True)]
    waiting = [(10, 3, kind) for kind in "abab"]
    left = seconds_left(
        [], done, waiting, workers=1, traced={(0, "a")}, expected_start=0.5, expected_tracing=2
    )
    assert left == pytest.approx(4 * 3.5 + 2)
    left = seconds_left([], done, waiting, workers=2, traced={(0, "a")}, expected_tracing=2)
    assert left == pytest.approx(2 * 3 + 2)  # "a" and "a" on one, "b" and "b" on the other


def test_what_tracing_takes_is_learnt_and_not_taken_for_the_start():
    done = [
        Timing(10, 3, (1.5, 2.5, 3.5), kind="a", worker=0),
        Timing(10, 3, (5.5, 6.5, 7.5), kind="b", worker=0, traced=True),
    ]
    known = {(0, "a"), (0, "b")}
    waiting = [(10, 3, "b"), (10, 3, "c")]
    left = seconds_left([], done, waiting, workers=1, traced=known, expected_tracing=60)
    assert left == pytest.approx(3.5 + 7.5)


def test_a_pack_that_has_not_reported_may_be_tracing():
    half = Timing(10, 10, (1.0, 2.0), True, "a", 0, True)
    for kind, more in (("a", 0.0), ("b", 4.0)):
        silent = Timing(10, 10, (), kind=kind)
        left = seconds_left(
            [(half, 2.0), (silent, 1.0)],
            [],
            [],
            workers=2,
            traced={(0, "a"), (1, "a")},
            expected_tracing=4.0,
        )
        assert left == pytest.approx(9.0 + more)


def test_a_pack_half_way_through_is_half_done():
    half = Timing(10, 10, (1.5, 2.5, 3.5, 4.5, 5.5))
    assert seconds_left([(half, 6.0)], [], [], workers=2) == pytest.approx(4.5)


def test_an_epoch_that_is_overdue_is_not_over():
    half = Timing(10, 10, (1.0, 2.0))
    assert seconds_left([(half, 2.5)], [], [], workers=1) == pytest.approx(7.5)
    assert seconds_left([(half, 100.0)], [], [], workers=1) == pytest.approx(8.0)
    silent = Timing(10, 10, ())
    left = seconds_left([(half, 2.0), (silent, 100.0)], [], [], workers=2)
    assert left == pytest.approx(10.0)


def test_a_first_epoch_that_took_its_time_to_compile_is_not_the_pace():
    first = Timing(10, 20, (10.1,), first=True)
    left = seconds_left([(first, 10.1)], [], [], workers=1, expected=lambda _: 0.01)
    assert left == pytest.approx(1.9)


def test_smaller_packs_are_no_quicker_per_trial():
    done = [Timing(32, 1, (3.2,))]
    left = seconds_left(
        [], done, [(8, 1, None)], workers=1, expected=lambda size: {32: 1.0, 8: 2.0}[size]
    )
    assert left == pytest.approx(1.6)


def test_with_nothing_to_go_by_it_says_nothing():
    assert seconds_left([(Timing(8, 2, ()), 1.0)], [], [(8, 2, None)], workers=2) is None
    assert seconds_left([], [], [(8, 2, None)], workers=1) is None


def test_before_the_first_epoch_it_says_nothing():
    silent = Timing(8, 10, ())
    left = seconds_left([(silent, 9.0)], [], [(8, 10, None)], workers=1, expected=lambda _: 0.05)
    assert left is None


def test_when_all_is_done_nothing_is_left():
    assert seconds_left([], [Timing(8, 1, (1.0,))], [], workers=3) == 0.0
