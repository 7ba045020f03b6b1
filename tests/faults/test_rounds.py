"""Twenty processes killed at random moments of one study: it ends as if nothing had happened."""

import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from service.client import Client
from service.db import Database
from service.db.tables.studies import StudyRow, TrialRow
from service.studies.model import StudyState
from service.trials.model import TrialState
from tests.faults.patient import PatientTask, check_equal, stored
from tests.live import ONE_WORKER, Live, serving, wait_until
from tests.postgresql import persistently, served
from workers.contracts import CURVES

SEED = int(os.environ.get("LPWD_FAULT_SEED", "1"))
"""Another one has other processes killed, in another order, at other moments."""
KILLS = {"api": 4, "scheduler": 4, "postgres": 3, "worker": 3, "runner": 3, "raylet": 3}
"""Twenty rounds."""
SETTINGS = {
    # One trial a pack: then its bits do not hang on which others were left when it was planned.
    "LPWD_PACK_SIZE": "1",
    "LPWD_CHECKPOINT_SECONDS": "0.3",
    "LPWD_LEASE_SECONDS": "2",
    "LPWD_TRIAL_ATTEMPTS": "20",
    "LPWD_STUDY_LOSSES": "20",
    **ONE_WORKER,
}
STUDY = {
    "task": "patient",
    "optimizers": ["adamw"],
    "learning_rates": [0.001, 0.003, 0.01, 0.03],
    "weight_decays": [0, 0.01],
    "seeds": 1,
    "budget": {"epochs": 120},
}
PACE = 0.05
"""Seconds that each of them lingers."""


class Postgres:
    """A server that keeps its promises: with fsync, on a folder that outlives its processes."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lpwd-faults-"))
        self._server = served(self._folder)
        self.url = (
            make_url(self._server.get_uri())
            .set(drivername="postgresql+psycopg")
            .render_as_string(hide_password=False)
        )

    def kill(self) -> None:
        """Kill the postmaster; its backends notice, and end."""
        postmaster = psutil.Process(self._server.get_pid())
        everyone = postmaster.children(recursive=True)
        postmaster.kill()
        wait_until(lambda: not any(map(alive, everyone)))

    def start(self) -> None:
        """Start it again on what is on disk."""
        # They name a process that nobody may have reaped, and would be taken for running.
        for lock in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (self._folder / lock).unlink()
        persistently(self._server.ensure_postgres_running)
        wait_until(self.answers)

    def answers(self) -> bool:
        engine = create_engine(self.url)
        try:
            with engine.connect() as connection:
                return connection.scalar(text("SHOW fsync")) == "on"
        except OperationalError:
            return False
        finally:
            engine.dispose()

    def close(self) -> None:
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def postgres():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def task(tmp_path):
    return PatientTask(tmp_path / "task", PACE)


@pytest.fixture
def live(postgres, task, tmp_path):
    own = {"LPWD_DATABASE_URL": postgres.url, "PYTHONPATH": task.path}
    with serving(tmp_path, **own, **SETTINGS) as live:
        yield live


PATTERNS = {
    "api": r"service api",
    "scheduler": r"service scheduler",
    "runner": r"service runner",
    "raylet": r"raylet/raylet",
    "worker": r"^ray::Trainer",
}
"""Of the victims' command lines."""


class Rounds:
    """What is killed, and how to tell that it is back."""

    def __init__(self, live: Live, postgres: Postgres, client: Client, study_id: str) -> None:
        self.live, self.postgres, self.client, self.study_id = live, postgres, client, study_id
        self.seeds = 1
        self.before = 0.0
        """Seconds trained when the last victim was back."""

    def keep_busy(self) -> None:
        """Give the study more to train if it has ended, and wait until it is trained."""
        study = self.client.study(self.study_id)
        if study.state.final:
            assert study.state is StudyState.DONE, study.error
            self.seeds += 1
            address = f"{self.live.url}/api/v1/studies/{self.study_id}/extend"
            httpx.post(address, json={"seeds": self.seeds}).raise_for_status()
        wait_until(lambda: self.trained() > self.before)

    def trained(self) -> float:
        """Seconds of workers so far: they grow only while something is really trained."""
        return self.client.study(self.study_id).used.training_seconds

    def kill(self, victim: str) -> None:
        if victim == "postgres":
            self.postgres.kill()
            self.postgres.start()
        else:
            process = self.live.found(PATTERNS[victim])
            process.kill()
            wait_until(lambda: self.replaced(victim, process))
        if victim in {"runner", "raylet", "worker"}:
            self.live.found(PATTERNS["worker"])
        wait_until(self.client.ready)
        self.before = self.trained()

    def replaced(self, victim: str, before: psutil.Process) -> bool:
        now = self.live.child(PATTERNS[victim])
        return now is not None and now != before


def test_a_study_survives_twenty_kills(live, postgres, task):
    sys.stdout.write(f"LPWD_FAULT_SEED={SEED}\n")
    chance = random.Random(SEED)
    victims = [victim for victim, times in KILLS.items() for _ in range(times)]
    chance.shuffle(victims)
    with live.client() as client:
        study_id = client.submit(STUDY).study.id
        rounds = Rounds(live, postgres, client, study_id)
        for number, victim in enumerate(victims, 1):
            rounds.keep_busy()
            time.sleep(chance.uniform(0.0, 1.0))
            began = time.monotonic()
            rounds.kill(victim)
            passed = time.monotonic() - began
            sys.stdout.write(f"{number}: killed {victim}, all is back after {passed:.1f} s\n")
        task.pace(0)
        wait_until(lambda: client.study(study_id).state.final)
    trials, found = ended(postgres.url), stored(Database(postgres.url))
    for trial in trials:
        last = dict(zip(CURVES, found[trial.key][-1], strict=True))
        for column in ("train_loss", "validation_loss", "validation_score", "test_score"):
            assert getattr(trial, column) == last[column]
    asked_for = STUDY | {"seeds": rounds.seeds}
    check_equal(found, task.undisturbed(asked_for, alone=True))


def ended(url):
    """All trials of the study, which is done, as they are."""
    database = Database(url)
    with database.read() as session:
        study = session.scalars(select(StudyRow)).one()
        assert (study.state, study.error, study.lease_token) == (StudyState.DONE, None, None)
        trials = session.scalars(select(TrialRow)).all()
        assert {trial.state for trial in trials} == {TrialState.DONE}
    database.close()
    return trials
