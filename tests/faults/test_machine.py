"""A machine that plays tricks on a whole service in mid-study: its clock leaps, its disk is full,
another process keeps the database locked. Each is said as what it is; then all goes on by itself.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from service.studies.model import StudyState
from service.trials import curves
from tests.faults.patient import PatientTask, check_equal
from tests.live import ONE_WORKER, serving, wait_until

SETTINGS = {
    "LPWD_PACK_SIZE": "4",
    "LPWD_LEASE_SECONDS": "2",
    "LPWD_CHECKPOINT_SECONDS": "0.3",
    **ONE_WORKER,
}
DISK = "160m"
"""More than what `/readyz` wants to be free."""
SLOW, QUICK = 0.1, 0.0
HOUR, DAY = 3600, 86_400
LOCKED_FOR = 30.0
CROWD = 20
"""Requests that want to write meanwhile: more than the API has threads."""


def study(rate, epochs=400):
    return {
        "task": "patient",
        "optimizers": ["adamw", "adam-lpwd"],
        "learning_rates": [rate],
        "weight_decays": [0, 0.01, 0.1, 1],
        "seeds": 2,
        "budget": {"epochs": epochs},
    }


LEAPT, LOCKED, FULL = study(0.001), study(0.002), study(0.003)
WAITED, FIRED = study(0.004, epochs=10), study(0.005, epochs=10)
CLOCK = """
import time
from pathlib import Path

OFF = Path(__file__).with_name("off")
true = time.time
time.time = lambda: true() + float(OFF.read_text())
"""
"""Loaded by every Python process of the service, Ray's included, when it starts."""


class Clock:
    """The wall clock of a service's processes; monotonic ones stay true, as they do anywhere."""

    def __init__(self, folder):
        self._off = folder / "off"
        self.leap(0)
        (folder / "sitecustomize.py").write_text(CLOCK)
        self.path = str(folder)

    def leap(self, seconds):
        """Be so far from the true time."""
        unfinished = self._off.with_suffix(".new")
        unfinished.write_text(str(seconds))
        unfinished.replace(self._off)


QUERY = """
import json, sqlite3, sys
print(json.dumps(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()))
"""
LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


class Machine:
    """What the service sees, seen from here: it may have a disk that only it has."""

    def __init__(self, live, apart):
        self._pid, self._folder = live.process.pid, live.folder
        self._enter = ["nsenter", f"--target={self._pid}", "--mount"] if apart else []

    @property
    def data(self):
        return Path(f"/proc/{self._pid}/root{self._folder}")

    def on_the_database(self, script, *arguments):
        """A command that runs a script on its file, as a process of the same machine."""
        file = str(self._folder / "lpwd.db")
        return [*self._enter, sys.executable, "-c", script, file, *arguments]

    def ask(self, query):
        """Return the rows of a query."""
        command = self.on_the_database(QUERY, query)
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    def losses(self, study_id):
        """How many runners were lost with a study since it last got something done."""
        return self.ask(f"SELECT losses FROM studies WHERE id = '{study_id}'")[0][0]

    @contextmanager
    def locked(self):
        """Have another process keep the database locked until the block ends."""
        process = subprocess.Popen(
            self.on_the_database(LOCK), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            process.communicate()


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return PatientTask(tmp_path_factory.mktemp("task") / "task", SLOW)


@pytest.fixture(scope="module")
def undisturbed(task):
    return task.undisturbed(LEAPT, LOCKED, FULL, WAITED, FIRED)


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def within(tmp_path_factory):
    """A command that runs another on a small disk of its own; empty where that is not permitted."""
    probe = f"mount -t tmpfs none {tmp_path_factory.mktemp('disk')}"
    if (
        shutil.which("nsenter") is None
        or subprocess.run(["unshare", "--mount", "sh", "-c", probe], capture_output=True).returncode
    ):
        return ()
    script = f'mount -t tmpfs -o size={DISK} none "$LPWD_DATA_DIR" && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, "sh")


@pytest.fixture(scope="module")
def live(tmp_path_factory, task, undisturbed, clock, within):
    path = os.pathsep.join([clock.path, task.path])
    folder = tmp_path_factory.mktemp("live")
    with serving(folder, within=within, PYTHONPATH=path, **SETTINGS) as live:
        yield live


@pytest.fixture(scope="module")
def machine(live, within):
    return Machine(live, apart=bool(within))


@pytest.fixture
def client(live):
    with live.client() as client:
        yield client


def under_way(client, task, request):
    """Send a study and wait until it trains, slowly."""
    task.pace(SLOW)
    study_id = client.submit(request).study.id
    wait_until(lambda: client.study(study_id).progress > 0)
    return study_id


def goes_on(client, study_id):
    """Wait until more of a study is trained than was."""
    before = client.study(study_id).used.training_seconds
    wait_until(lambda: client.study(study_id).used.training_seconds > before)


def finish(machine, client, task, study_id, undisturbed):
    """Wait for a study's end, which must be as if nothing had happened."""
    task.pace(QUICK)
    found = wait_until(lambda: (now := client.study(study_id)).state.final and now)
    assert found.state is StudyState.DONE, found.error
    assert machine.ask("PRAGMA integrity_check") == [["ok"]]
    keys = {trial.key for trial in client.trials(study_id)}
    assert len(keys) == 16
    stored = machine.ask("SELECT trial_key, hex(data) FROM curves")
    here = {key: curves.unpack(bytes.fromhex(data)) for key, data in stored if key in keys}
    check_equal(here, {key: undisturbed[key] for key in keys})


def test_a_clock_that_leaps(live, machine, client, task, undisturbed, clock):
    # Once a year: set back, the clock must lead to no other time that is then missed.
    due = datetime.now(UTC) + timedelta(seconds=HOUR + 10)
    cron = f"0 {due.hour} {due.day} {due.month} *"
    schedule = {"name": "yearly", "cron": cron, "timezone": "UTC", "study": FIRED}
    httpx.post(f"{live.url}/api/v1/schedules", json=schedule).raise_for_status()
    study_id = under_way(client, task, LEAPT)
    clock.leap(HOUR)
    goes_on(client, study_id)
    fired = wait_until(lambda: machine.ask("SELECT study_id FROM firings"))
    clock.leap(-DAY)
    goes_on(client, study_id)
    assert client.study(study_id).eta_seconds < HOUR
    assert machine.losses(study_id) == 0
    # A lease that was taken before the clock leapt back seems to last for a day.
    clock.leap(0)
    goes_on(client, study_id)
    live.found(r"service runner").kill()
    clock.leap(-DAY)
    goes_on(client, study_id)
    finish(machine, client, task, study_id, undisturbed)
    assert machine.ask("SELECT study_id FROM firings") == fired  # once, and not again
    finish(machine, client, task, fired[0][0], undisturbed)
    clock.leap(0)


def send(live):
    """Send a study; returns the answer and the seconds it took."""
    began = time.monotonic()
    answer = httpx.post(f"{live.url}/api/v1/studies", json=WAITED, timeout=3 * LOCKED_FOR)
    return answer, time.monotonic() - began


def unready(live):
    """Why the service is not ready; None where it is."""
    answer = httpx.get(f"{live.url}/readyz", timeout=LOCKED_FOR)
    reason = answer.json()["reason"]
    assert (answer.status_code == 503) == (reason is not None)
    return reason


def test_a_database_that_is_locked(live, machine, client, task, undisturbed):
    study_id = under_way(client, task, LOCKED)
    with machine.locked(), ThreadPoolExecutor(CROWD) as pool:
        until = time.monotonic() + LOCKED_FOR
        sent = [pool.submit(send, live) for _ in range(CROWD)]
        wait_until(lambda: "another process has been writing" in str(unready(live)))
        while time.monotonic() < until or not all(one.done() for one in sent):
            for address in ("studies", f"studies/{study_id}", f"studies/{study_id}/heatmap.json"):
                began = time.monotonic()
                answer = httpx.get(f"{live.url}/api/v1/{address}", timeout=LOCKED_FOR)
                assert answer.status_code == 200
                assert time.monotonic() - began < LOCKED_FOR / 2  # it did not wait for the lock
            time.sleep(2.0)
    answers = [one.result() for one in sent]
    for answer, _ in answers:
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:lpwd:problem:database-locked"
        assert int(answer.headers["Retry-After"]) > 0
    patient = [seconds for _, seconds in answers if seconds > LOCKED_FOR - 5]
    assert 0 < len(patient) < CROWD  # most are soon told that there is no use in waiting
    goes_on(client, study_id)
    assert machine.losses(study_id) == 0
    finish(machine, client, task, study_id, undisturbed)


def fill(disk):
    """Leave no room; returns the file to remove to make some."""
    ballast = disk / "ballast"
    block = bytes(2**20)
    with ballast.open("wb", buffering=0) as file:
        while block:
            try:
                file.write(block)
            except OSError:
                block = block[: len(block) // 2]
    return ballast


def test_a_disk_that_is_full(live, machine, client, task, undisturbed, within):
    if not within:
        pytest.skip("mounting a small disk is not permitted here")
    study_id = under_way(client, task, FULL)
    waits = client.submit(WAITED).study.id
    ballast = fill(machine.data)
    wait_until(lambda: "the disk that holds the database is full" in live.log.read_text())
    answer = httpx.post(f"{live.url}/api/v1/studies", json=study(0.006))
    assert answer.status_code == 507
    assert answer.json()["type"] == "urn:lpwd:problem:database-full"
    assert "make room on it" in answer.json()["detail"]
    wait_until(lambda: "make room" in str(unready(live)))
    queue = httpx.get(f"{live.url}/api/v1/queue").json()
    reasons = {one["study_id"]: one["reason"] for one in queue["waiting"]}
    assert "disk" in reasons[waits]
    assert client.study(study_id).state is StudyState.RUNNING
    ballast.unlink()
    goes_on(client, study_id)
    assert machine.losses(study_id) == 0
    for one in (study_id, waits):
        finish(machine, client, task, one, undisturbed)
    wait_until(lambda: unready(live) is None)
