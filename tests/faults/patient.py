"""A task that takes as long as a test wants, and hardly any work.

What trains it can be disturbed at leisure: its pace is in a file, which every epoch looks into.
Undisturbed, and without lingering, all of it is trained once more in a moment, to be compared.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from service.db import Database
from service.db.tables.studies import CurveRow
from service.trials import curves
from tests.faults.plug_in import write_task

PROBLEM = """
import time
from pathlib import Path
import numpy as np
from torch import nn
from workers.tasks import Problem, Splits
from workers.tasks.classification import accuracy, cross_entropy

PACE = Path(__file__).with_name("pace")
LAST = []


def load(seed):
    numbers = np.random.default_rng(seed)
    x = numbers.normal(size=(96, 16)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] ** 2 > 1).astype(np.int64)
    return Splits(*((x[i:i + 32], y[i:i + 32]) for i in (0, 32, 64)))


def linger(inputs, generator):
    # Not in the one step that is measured, over and over until it took some time of the processor.
    step = generator.initial_seed()
    if LAST != [step]:
        LAST[:] = [step]
        time.sleep(float(PACE.read_text()))
    return inputs


def model():
    return nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))


PROBLEM = Problem(load, model, cross_entropy, accuracy, augment=linger)
"""
UNDISTURBED = """
import json, sys
import numpy as np
from service.studies.planning import resolve
from service.studies.schemas import StudyRequest
from workers import device
from workers.packing import plan_packs
from workers.training import train
at = device.prepare(gpu=False)
requests, alone, file = json.loads(sys.argv[1]), sys.argv[2] == "alone", sys.argv[3]
found = {}
for request in requests:
    trials = resolve(StudyRequest.model_validate(request), max_trials=1000).trials()
    for pack in plan_packs(trials, size=1 if alone else len(trials)):
        epochs = np.stack([report.values for report in train(pack, at)])
        found |= {trial.key: epochs[:, k] for k, trial in enumerate(pack.trials)}
np.savez(file, **found)
"""


class PatientTask:
    """The task `patient` as a plug-in, in a folder of its own."""

    def __init__(self, folder: Path, pace: float) -> None:
        """Write it down; every epoch lingers for `pace` seconds."""
        self._folder = folder
        self.path = write_task(folder, "patient", PROBLEM, summary="Takes its time.", epochs=100)
        """`PYTHONPATH` of processes that are to know it."""
        self.pace(pace)

    def pace(self, seconds: float) -> None:
        """Have every epoch linger for so long from now on: packs in training, too."""
        unfinished = self._folder / "pace.new"
        unfinished.write_text(str(seconds))
        unfinished.replace(self._folder / "pace")

    def undisturbed(
        self, *requests: dict[str, Any], alone: bool = False
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Train studies in a process of its own; returns curves by key.

        A stack of any size above one computes the same bits; `alone` is for packs of one.
        """
        file = self._folder / "undisturbed.npz"
        how = "alone" if alone else "stacked"
        command = [sys.executable, "-c", UNDISTURBED, json.dumps(requests), how, str(file)]
        self.pace(0)
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": self.path})
        with np.load(file) as found:
            return dict(found)


def stored(database: Database) -> dict[str, npt.NDArray[np.float32]]:
    """Return the curves that a service has stored, by key; closes the database."""
    with database.read() as session:
        rows = session.scalars(select(CurveRow)).all()
        found = {row.trial_key: curves.unpack(row.data) for row in rows}
    database.close()
    return found


def check_equal(
    found: dict[str, npt.NDArray[np.float32]], undisturbed: dict[str, npt.NDArray[np.float32]]
) -> None:
    """Compare every epoch of every trial, bit for bit."""
    assert set(found) == set(undisturbed)
    for key, own in found.items():
        np.testing.assert_array_equal(own, undisturbed[key], strict=True)
