"""A runner that is asked to end before Ray is up."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from service.db import Database, schema
from service.db.tables.processes import RunnerRow
from tests.live import PATIENCE, wait_until
from tests.service import work


def below(process):
    """All processes of Ray's that the runner started, once there are any: it does not come up."""
    found = process.children(recursive=True)
    raylets = [one for one in found if one.name() == "raylet"]
    for raylet in raylets:
        raylet.suspend()
    return found if raylets else []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_runner_ends_at_once_while_ray_starts_and_leaves_nothing(tmp_path, how):
    database = Database(f"sqlite:///{tmp_path / 'lpwd.db'}")
    schema.upgrade(database)
    log = tmp_path / "log"
    with log.open("wb") as told:
        runner = subprocess.Popen(
            [sys.executable, "-m", "service", "runner"],
            env={**os.environ, "LPWD_DATA_DIR": str(tmp_path)},
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
    started = wait_until(lambda: below(psutil.Process(runner.pid)))
    (row,) = wait_until(lambda: work.rows(database, RunnerRow))
    assert (row.pid, row.devices) == (runner.pid, [])
    runner.send_signal(how)
    assert runner.wait(PATIENCE) == 0
    assert "ready" not in log.read_text()
    assert [one for one in psutil.wait_procs(started, PATIENCE)[1] if one.is_running()] == []
    assert work.rows(database, RunnerRow) == []
    database.close()
