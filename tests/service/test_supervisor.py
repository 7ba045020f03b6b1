"""The supervisor: starts again what crashes, and gives up, loudly, what crashes again and again."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from service import supervisor
from service.supervisor import STOP_WITH_STDIN, GaveUpError, Supervisor
from tests.live import PATIENCE


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)


def test_what_never_stays_up_is_given_up_with_its_exit_status():
    watching = Supervisor({"runner": ("no-such-command",)}, {})
    watching.start()
    with pytest.raises(GaveUpError, match=r"runner ended 6 times in a row, last with exit status"):
        watching.run(threading.Event())
    watching.stop()


def test_what_is_killed_is_started_again_and_all_end_together(tmp_path):
    watching = Supervisor(
        {"scheduler": ("scheduler",)},
        {"LPWD_DATABASE_URL": f"sqlite:///{tmp_path / 'lpwd.db'}"},
    )
    watching.start()
    child = watching._children[0]
    before = child.process
    before.send_signal(signal.SIGKILL)
    before.wait()
    while child.process is before:
        watching.look()
    assert child.crashes == 1
    watching.stop()
    assert child.process.poll() is not None


def test_what_does_not_end_is_killed(tmp_path):
    watching = Supervisor({"scheduler": ("scheduler", "--help")}, {}, patience=0.2)
    watching.start()
    child = watching._children[0].process
    child.send_signal(signal.SIGSTOP)  # it cannot even notice
    while psutil.Process(child.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    watching.stop()
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize("process", ["runner", "scheduler"])
def test_what_waits_for_its_database_ends_with_the_supervisor(process):
    nobody = "postgresql://nobody@127.0.0.1:1/nothing"
    done = subprocess.run(
        [sys.executable, "-m", "service", process],
        env={**os.environ, "LPWD_DATABASE_URL": nobody, STOP_WITH_STDIN: "1"},
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == -signal.SIGTERM
