"""Packs on real Ray actors."""

import os
import signal
import subprocess
import sys

import pytest
import ray

from tests.live import wait_until
from workers.connection import connect
from workers.contracts import Pack, TrialSpec
from workers.execution import RayPool
from workers.pack_events import EpochDone, Measured, PackEnded, PackFailed, PackLost
from workers.places import DeviceChoice, resources


@pytest.fixture(scope="module")
def cluster():
    connect("local", cpus=2)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def pool(cluster):
    pool = RayPool()
    yield pool
    pool.close()


def drain(pool, tickets):
    """Poll until every ticket has ended; returns all events."""
    events, open_tickets = [], set(tickets)
    while open_tickets:
        fresh = pool.poll(1.0)
        events += fresh
        open_tickets -= {e.ticket for e in fresh if not isinstance(e, EpochDone)}
    return events


def wait_for_workers(pool):
    """Both workers up: the pool itself waits for the first alone."""

    def up():
        pool.poll(0.1)
        return pool.idle == 2

    wait_until(up)


def test_packs_run_side_by_side_and_tell_of_every_epoch(pool, trial):
    wait_for_workers(pool)
    assert [device.kind for device in pool.devices] == ["cpu", "cpu"]
    packs = [Pack((trial(seed=s, epochs=3), trial("adam-lpwd", seed=s, epochs=3))) for s in (0, 1)]
    tickets = [pool.submit(pack) for pack in packs]
    assert pool.idle == 0
    with pytest.raises(ValueError, match="busy"):
        pool.submit(packs[0])
    events = drain(pool, tickets)
    assert pool.idle == 2
    for ticket in tickets:
        mine = [e for e in events if e.ticket == ticket]
        assert [e.report.epoch for e in mine[:-1]] == [1, 2, 3]
        assert isinstance(mine[-1], PackEnded)


def test_a_worker_measures_what_trials_cost(pool, trial):
    pack = Pack(tuple(trial(weight_decay=0.01 * i) for i in range(4)))
    (event,) = drain(pool, [pool.measure(pack, epochs=8)])
    assert isinstance(event, Measured)
    assert {1, 4} <= set(event.measurement.seconds)
    assert event.measurement.trial_bytes > 0
    assert pool.idle == 2


def test_while_one_measures_the_other_gets_ready(pool, trial):
    def programs(trainer):
        from workers.training.program import _kept

        return sum("breast-cancer-mlp" in str(key) for key in _kept)

    wait_for_workers(pool)
    drain(pool, [pool.measure(Pack((trial(task="breast-cancer-mlp"),)), epochs=8)])
    actors = [worker.actor for worker in pool._workers]
    assert len(actors) == 2
    assert all(ray.get([actor.__ray_call__.remote(programs) for actor in actors]))


def test_a_measurement_that_cannot_be_made_fails_with_its_reason(pool, trial):
    missing = TrialSpec("no-such-task", 1, "adamw", 1, 0.1, 0.1, 0, trial().budget)
    (event,) = drain(pool, [pool.measure(Pack((missing,)), epochs=8)])
    assert isinstance(event, PackFailed)
    assert event.reason.startswith("UnknownTaskError")


def test_an_error_in_a_pack_is_a_failure_with_its_reason(pool, trial):
    good = trial()
    missing = TrialSpec("no-such-task", 1, "adamw", 1, 0.1, 0.1, 0, good.budget)
    (event,) = drain(pool, [pool.submit(Pack((missing,)))])
    assert isinstance(event, PackFailed)
    assert event.reason.startswith("UnknownTaskError: unknown task 'no-such-task'")
    assert pool.idle == 2


def test_a_cancelled_pack_ends_and_its_worker_goes_on(pool, trial):
    ticket = pool.submit(Pack((trial(epochs=10_000),)))
    while not pool.poll(1.0):
        pass
    pool.cancel()
    last = drain(pool, [ticket])[-1]
    assert isinstance(last, PackLost)
    assert pool.idle == 2
    assert isinstance(drain(pool, [pool.submit(Pack((trial(epochs=1),)))])[-1], PackEnded)


def test_a_killed_worker_loses_its_pack_and_is_replaced(pool, trial):
    ticket = pool.submit(Pack((trial(epochs=10_000),)))
    while not pool.poll(1.0):
        pass
    (pid,) = (worker.device.pid for worker in pool._workers if worker.ticket == ticket)
    assert pid in {device.pid for device in pool.devices}
    os.kill(pid, signal.SIGKILL)
    last = drain(pool, [ticket])[-1]
    assert isinstance(last, PackLost)
    assert "the worker died" in last.reason
    wait_for_workers(pool)
    assert isinstance(drain(pool, [pool.submit(Pack((trial(epochs=1),)))])[-1], PackEnded)


def test_a_gpu_that_is_not_there_is_refused_and_not_waited_for(cluster):
    if ray.cluster_resources().get("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(RuntimeError, match="no GPU"):
        RayPool(DeviceChoice.GPU)


@pytest.mark.parametrize("sharing", [1, 2, 3, 7])
def test_shares_of_a_gpu_add_up_to_one_at_most(sharing):
    asked = resources(gpu=True, per_gpu=sharing)
    assert asked["num_cpus"] == 0
    assert 0.99 < sharing * asked["num_gpus"] <= 1
    assert resources(gpu=False, per_gpu=sharing) == {"num_cpus": 1}


def test_workers_find_room_for_as_many_as_share_a_gpu():
    """Resources alone: a second Ray, in a process of its own, that is told it has a GPU."""
    program = """
import ray
from workers.connection import connect
from workers.places import resources
ray.init("local", num_cpus=1, num_gpus=1, include_dashboard=False, log_to_driver=False)

@ray.remote
class Worker:
    def ready(self):
        return True

workers = [Worker.options(**resources(True, 3)).remote() for _ in range(4)]
ready, waiting = ray.wait([w.ready.remote() for w in workers], num_returns=3, timeout=240)
more, waiting = ray.wait(waiting, num_returns=1, timeout=1)
print(len(ready), len(more))
ray.shutdown()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["3", "0"], done.stderr


def test_a_busy_pool_is_not_started_anew(pool, trial):
    ticket = pool.submit(Pack((trial(epochs=10_000),)))
    with pytest.raises(ValueError, match="busy"):
        pool.share_gpus(2)
    while not pool.poll(1.0):
        pass
    pool.cancel()
    drain(pool, [ticket])
    pool.share_gpus(2)
    wait_for_workers(pool)
    assert pool.per_gpu is None
    assert pool.size == 2
