"""The demo, from one end to the other, as `make demo` runs it."""

import os
import re
import subprocess
import sys

import pytest
from sqlalchemy import func, select

from service.db import Database
from service.db.tables.studies import CurveRow, StudyRow, StudyTrialRow, TrialRow
from service.heatmaps.queries import ResultsCache
from service.trials.model import KNOWN

TRIALS = 525


def demo(folder):
    return subprocess.run(
        [sys.executable, "-m", "service", "demo", "--folder", str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(folder):
    done = demo(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[info" not in done.stderr  # no log between its own words
    return done.stdout


@pytest.fixture
def session(folder, first):
    database = Database(f"sqlite:///{folder / 'lpwd.db'}")
    with database.read() as opened:
        yield opened
    database.close()


def test_it_says_what_came_out_and_how_to_see_it(first):
    for title in ("AdamW", "Adam + L2", "Adam + RWD", "Adam + PWD", "Adam + LPWD"):
        assert re.search(rf"{re.escape(title)} .*9[6-9]\.\d", first), first
    assert f"{TRIALS} trials: 0 known already, {TRIALS} to train" in first
    assert "lpwd serve --data-dir" in first


def test_the_pictures_are_pictures(folder, first):
    assert (folder / "heatmap.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert (folder / "heatmap.svg").read_text().startswith("<svg")


def test_every_trial_is_there_once_with_its_curves(session):
    assert session.scalar(select(func.count()).select_from(StudyTrialRow)) == TRIALS
    states = session.scalars(select(TrialRow.state)).all()
    assert len(states) == TRIALS
    assert set(states) <= KNOWN
    assert session.scalar(select(func.count()).select_from(CurveRow)) == TRIALS
    assert all(session.scalars(select(TrialRow.device)).all())


def test_every_optimizer_reaches_what_it_should(session):
    (study,) = session.scalars(select(StudyRow.id)).all()
    rows = ResultsCache().results(session, study, split="test", tolerance=0.01).robustness
    assert len(rows) == 5
    assert all(row.best > 0.96 for row in rows)


def test_the_strong_end_collapses(session):
    (study,) = session.scalars(select(StudyRow.id)).all()
    for one in ResultsCache().results(session, study, split="test", tolerance=0.01).heatmaps:
        strongest = [cell.mean for cell in one.cells.values() if cell.weight_decay >= 0.5]
        assert min(strongest) < one.best.mean - 0.1


def test_a_second_time_it_trains_nothing(folder, first):
    again = demo(folder)
    assert again.returncode == 0
    assert f"{TRIALS} known already, 0 to train" in again.stdout
