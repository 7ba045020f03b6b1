"""Searches on a real Ray cluster, in processes of their own."""

import os
import signal
import time

import numpy as np
import psutil
import pytest
import ray

from tests.live import wait_until
from tests.workers.search import jobs
from workers.connection import connect
from workers.contracts import Device, Pack
from workers.execution import RayPool
from workers.search.contracts import (
    KnownTrial,
    PointEnded,
    PointEpoch,
    PointState,
    Proposed,
    SearchEnded,
    Turning,
)
from workers.search.process import SearchLostError, SearchProcess, Watchdog
from workers.search.record import PointRecord
from workers.training import train


@pytest.fixture(scope="module")
def cluster():
    connect("local", cpus=2)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture
def start(cluster):
    """Start searches, and see to it that they end."""
    started = []

    def begin(job, **options):
        started.append(SearchProcess(job, cluster, gpu=False, devices=2, **options))
        return started[-1]

    yield begin
    for process in started:
        process.close()


class Told:
    """What a search told, and what it was answered."""

    def __init__(self, known=None) -> None:
        self.known = known or {}
        self.proposed: list[Proposed] = []
        self.records: dict[tuple[str, int], PointRecord] = {}
        self.ended: dict[tuple[str, int], PointEnded] = {}
        self.over = False

    def listen(self, process, *, until=lambda told: told.over):
        while not until(self):
            for message in process.poll(1):
                self.heed(process, message)
        return self

    def heed(self, process, message):
        match message:
            case Proposed():
                self.proposed.append(message)
                process.answer(self.known.get((message.label, message.number)))
            case PointEpoch(label=label, number=number):
                if message.epoch == 1:
                    self.records[label, number] = PointRecord(len(message.values), 0.1)
                self.records[label, number].add(message.values, message.diverged)
            case PointEnded(label=label, number=number):
                self.ended[label, number] = message
            case SearchEnded():
                self.over = True


SGD = {"momentum": 0.9, "dampening": 0.0, "nesterov": False}
WILD = jobs.Parameter("learning_rate", jobs.Kind.NUMBER, 1e12, 1e13, log=True)
POINTS = 5
SEEDS, ROOM = 48, 500_000_000
"""Seeds of a point, and bytes that its worker may take: enough for some of them, not for all."""


def known_trials() -> tuple[KnownTrial, ...]:
    record = PointRecord(2, 0.1)
    for score in (0.1, 0.2, 0.3):
        record.add(np.full((2, 5), score, np.float32), {})
    return tuple(KnownTrial(record.curves(seed), None, 2.0) for seed in (0, 1))


@pytest.fixture(scope="module")
def whole(cluster):
    """Run one search to its end; returns its job and what it told."""
    job = jobs.job(
        jobs.optimizer("adamw"),
        jobs.optimizer("adam-lpwd"),
        jobs.SearchedOptimizer("wild", "sgd-l2", 1, SGD, (WILD, jobs.DECAY)),
        jobs.SearchedOptimizer(
            "broken",
            "sgd-l2",
            1,
            {**SGD, "nesterov": True, "momentum": 0.0},
            (jobs.RATE, jobs.DECAY),
        ),
        points=POINTS,
    )
    with SearchProcess(job, cluster, gpu=False, devices=2) as process:
        return job, Told({("adam-lpwd", 0): known_trials()}).listen(process)


def test_every_optimizer_gets_its_points_and_bad_ones_are_stopped(whole):
    job, told = whole
    for optimizer in job.search.optimizers:
        numbers = [number for label, number in told.ended if label == optimizer.label]
        assert sorted(numbers) == list(range(POINTS))
    ends = {key: told.ended[key] for key in told.ended if key[0].startswith("adam")}
    assert {end.state for end in ends.values()} == {PointState.DONE, PointState.PRUNED}
    for key, end in ends.items():
        epochs = told.records[key].epochs
        assert (epochs == 3) == (end.state is PointState.DONE)


def test_a_points_seeds_are_trained_together_and_as_in_a_grid(whole):
    job, told = whole
    point = next(one for one in told.proposed if (one.label, one.number) == ("adamw", 0))
    pack = Pack(job.search.trials(job.search.optimizers[0], point.parameters))
    *_, last = train(pack)
    for seed in (0, 1):
        curves = told.records["adamw", 0].curves(seed)
        assert curves[-1, 2] == pytest.approx(float(last.values[seed, 2]), abs=0.02)


def test_known_points_are_told_again_instead_of_trained(whole):
    _, told = whole
    expected = np.array([[0.1] * 2, [0.2] * 2, [0.3] * 2], np.float32)
    found = told.records["adam-lpwd", 0].scores()
    np.testing.assert_array_equal(found, expected[: len(found)])


def test_divergence_is_a_result_and_an_error_a_failure(whole):
    _, told = whole
    assert told.ended["wild", 0].state is PointState.DIVERGED
    assert told.records["wild", 0].value() == pytest.approx(0.1)
    assert "not a finite number" in told.ended["wild", 0].reason
    assert told.ended["broken", 0].state is PointState.FAILED
    assert "nesterov=True needs momentum > 0" in told.ended["broken", 0].reason


def test_a_search_goes_on_where_it_was(start, whole):
    """Points of before are told to Optuna, counted, and what is compared with."""
    good = {"adamw": tuple(jobs.past(n, means=(0.99, 0.99, 0.99)) for n in range(3))}
    told = Told().listen(start(jobs.job(past=good, points=5)))
    assert [(point.label, point.number) for point in told.proposed] == [("adamw", 3), ("adamw", 4)]
    assert {end.state for end in told.ended.values()} == {PointState.PRUNED}
    fresh = [point.parameters for point in whole[1].proposed if point.label == "adamw"]
    assert not any(point.parameters in fresh for point in told.proposed)


def long_job():
    return jobs.job(points=50, halving=None, budget=jobs.Budget(epochs=10_000, batch_size=64))


def test_a_lost_worker_is_replaced_and_a_lost_search_told_with_the_reason(start):
    process = start(long_job())
    told = Told().listen(process, until=lambda told: len(told.records) == 2)
    before = dict(told.records)
    workers = [one for one in psutil.Process().children(recursive=True) if trains(one)]
    workers[0].kill()
    told.listen(
        process, until=lambda told: any(told.records[key] is not before[key] for key in before)
    )
    assert told.ended == {}
    assert len(told.proposed) == 2
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(SearchLostError, match="killed by SIGKILL"):
        told.listen(process)
    process.close()
    check_devices_are_free()


def trains(process):
    try:
        return any(word.startswith("ray::") and "Train" in word for word in process.cmdline())
    except psutil.Error:
        return False


def test_a_search_that_hangs_is_lost_and_ended_with_all_its_workers(start):
    process = start(long_job())
    told = Told().listen(process, until=lambda told: told.records)
    child = psutil.Process(process.pid)
    child.suspend()
    process._watchdog = Watchdog(time.monotonic(), silence=4)  # less than a start may take
    with pytest.raises(SearchLostError, match="no sign of life for 4 s"):
        told.listen(process)
    process.close()
    assert not child.is_running()
    check_devices_are_free()


def check_devices_are_free():
    """A pool of as many workers as there are devices comes up."""
    pool = RayPool()
    wait_until(lambda: pool.poll(0.1) or pool.idle == 2)
    pool.close()


def test_seeds_that_do_not_fit_together_train_in_turn(start):
    budget = jobs.Budget(epochs=2, batch_size=1077)
    seeds = tuple(range(SEEDS))
    job = jobs.job(task="digits-cnn", seeds=seeds, budget=budget, points=1, halving=None)
    told = Told().listen(start(job, memory=ROOM))
    assert told.ended["adamw", 0].state is PointState.DONE, told.ended["adamw", 0].reason
    trials = job.search.trials(job.search.optimizers[0], told.proposed[0].parameters)
    *_, alone = train(Pack(trials[-1:]))
    # To the bit: together, sums are rounded in another way.
    np.testing.assert_array_equal(told.records["adamw", 0].curves(SEEDS - 1)[-1], alone.values[0])


def test_a_search_that_breaks_off_tells_why(start):
    process = start(jobs.job(past={"adamw": (jobs.past(0, weight_decay="none"),)}))
    with pytest.raises(SearchLostError, match="ValueError"):
        Told().listen(process)


def epoch_message():
    device = Device("cpu", "test", 1)
    return PointEpoch("adamw", 0, 1, np.zeros((2, 5), np.float32), {}, 1.0, device)


def test_the_watchdog_waits_for_signs_of_life_and_for_epochs():
    watchdog = Watchdog(0.0, silence=10, stall=100)
    for now in range(9, 99, 9):
        watchdog.heed([Turning()], now)
    with pytest.raises(SearchLostError, match="no epoch was trained for 100 s"):
        watchdog.heed([Turning()], 100.1)
    watchdog = Watchdog(0.0, silence=10, stall=100)
    watchdog.heed([epoch_message()], 9)
    watchdog.heed([], 19)
    with pytest.raises(SearchLostError, match="no sign of life for 10 s"):
        watchdog.heed([], 19.1)


def test_the_watchdog_waits_longer_where_epochs_are_long():
    watchdog = Watchdog(0.0, silence=1e9, stall=100)
    watchdog.heed([epoch_message()], 50)
    watchdog.heed([], 50 + 20 * 50)
    with pytest.raises(SearchLostError, match="no epoch was trained for 1000 s"):
        watchdog.heed([], 50 + 20 * 50 + 1)
