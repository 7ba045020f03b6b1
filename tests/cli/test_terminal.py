"""`lpwd watch` on a terminal and in a pipe, and Ctrl-C in either."""

import codecs
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from tests.live import PATIENCE
from tests.service import work


class Terminal:
    """A command on a terminal of its own, and what it has shown."""

    def __init__(self, *arguments, **env):
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "COLUMNS": "100", "TERM": "xterm", **env},
            start_new_session=True,
        )
        os.close(theirs)
        self._ours = ours
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a sign may come in two parts
        self.shown = ""

    def until(self, text):
        """Read until something is shown."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self._ours], [], [], 0.1)[0]:
                self.shown += self._decoder.decode(os.read(self._ours, 65536))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal():
    opened = []

    def open_one(*arguments, **env):
        opened.append(Terminal(*arguments, **env))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def test_a_terminal_shows_a_bar_and_ctrl_c_leaves_the_study_alone(
    address, database, study, terminal
):
    study_id = work.send(database, study())
    watching = terminal("watch", study_id, LPWD_SERVER=address)
    watching.until("0/16 trials")
    assert "━" in watching.shown
    watching.process.send_signal(signal.SIGINT)
    watching.until(f"the study goes on: lpwd watch {study_id}, or lpwd cancel {study_id}")
    assert watching.process.wait(PATIENCE) == 130
    assert "Traceback" not in watching.shown


def test_a_bar_ends_with_the_table(address, database, study, terminal):
    study_id = work.send(database, study())
    work.train(database, study_id)
    watching = terminal("watch", study_id, LPWD_SERVER=address)
    watching.until("AdamW")
    assert "done" in watching.shown
    assert "100%" in watching.shown
    assert watching.process.wait(PATIENCE) == 0


def test_a_pipe_gets_lines_at_once_and_ctrl_c_leaves_the_study_alone(address, database, study):
    study_id = work.send(database, study())
    with subprocess.Popen(
        [sys.executable, "-m", "service", "watch", study_id],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LPWD_SERVER": address},
    ) as watching:
        assert watching.stdout.readline() == "queued, 0/16 trials, 0 %\n"
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=PATIENCE)
    assert watching.returncode == 130
    assert said.startswith("the study goes on: lpwd watch")


def test_a_reader_that_ends_early_is_no_error(address, database, study):
    work.send(database, study())
    line = f"{sys.executable} -m service optimizers | head -1"
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        env={**os.environ, "LPWD_SERVER": address},
        check=False,
    )
    assert "Traceback" not in done.stderr
