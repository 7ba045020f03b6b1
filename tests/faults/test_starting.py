"""A runner that is asked to end before Ray is up."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from service.db import Database, schema
from service.db.tables.processes import RunnerRow
from tests.live import wait_until
from tests.service import work

ENDING = 10.0
"""Seconds: the runner waits for nothing, and Ray alone would take longer on a busy machine."""


def below(process):
    """All processes of Ray's that the runner started, once there are any."""
    found = process.children(recursive=True)
    return found if any(one.name() == "raylet" for one in found) else []


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
    assert runner.wait(ENDING) == 0
    assert "ready" not in log.read_text()
    assert [one for one in psutil.wait_procs(started, ENDING)[1] if one.is_running()] == []
    assert work.rows(database, RunnerRow) == []
    database.close()
