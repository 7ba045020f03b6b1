"""Packs whose worker or runner is killed go on from their checkpoints, to the same bits."""

import subprocess
import sys

import numpy as np
from sqlalchemy import select

from service.db.tables.studies import CurveRow, TrialRow
from service.studies.model import StudyState
from service.trials import curves
from tests.live import serving, wait_until

STUDY = {
    "task": "digits-mlp",
    "optimizers": ["adamw"],
    "learning_rates": [0.001, 0.003, 0.01, 0.03],
    "weight_decays": [0, 0.01, 0.1, 1],
    "seeds": 1,
    "budget": {"epochs": 800},
}
SETTINGS = {
    "LPWD_PACK_SIZE": "8",  # two packs, one for each of two workers
    "LPWD_CHECKPOINT_SECONDS": "0.3",
    "LPWD_LEASE_SECONDS": "3",
}
UNDISTURBED = f"""
import sys
import numpy as np
from service.studies.planning import resolve
from service.studies.schemas import StudyRequest
from workers import device
from workers.packing import plan_packs
from workers.training import train
at = device.prepare(gpu=False)
spec = resolve(StudyRequest.model_validate({STUDY!r}), max_trials=100)
found = {{}}
for pack in plan_packs(spec.trials(), size=8, workers=2):
    epochs = np.stack([report.values for report in train(pack, at)])
    found |= {{trial.key: epochs[:, k] for k, trial in enumerate(pack.trials)}}
np.savez(sys.argv[1], **found)
"""


def goes_on(live):
    """How often a pack went on after an epoch, by now."""
    return live.log.read_text().count("trials goes on after epoch")


def kept(live):
    return sorted((live.folder / "checkpoints").rglob("*.npz"))


def spoil(file):
    """Keep a checkpoint's form, and make nonsense of what the worker goes on from."""
    with np.load(file) as whole:
        parts = dict(whole)
    parts["state"] = np.frombuffer(b"nonsense", dtype=np.uint8)
    np.savez(file, **parts)


def test_a_killed_worker_and_a_killed_runner_cost_no_more_than_the_last_seconds(tmp_path):
    with serving(tmp_path, **SETTINGS) as live, live.client() as client:
        study_id = client.submit(STUDY).study.id
        wait_until(lambda: len(kept(live)) == 2)
        live.child(r"ray::Trainer.train").kill()
        wait_until(lambda: goes_on(live) == 1)
        live.child(r"service runner").kill()
        spoilt, whole = kept(live)
        spoil(spoilt)
        wait_until(lambda: goes_on(live) == 3)
        study = wait_until(lambda: (found := client.study(study_id)).state.final and found)
        assert study.state is StudyState.DONE, study.error
        log = live.log.read_text()
        assert "a checkpoint is of no use, its pack begins anew: ValueError: not a check" in log
        assert whole.name
        assert kept(live) == []
        found, attempts = results(live)
    assert sorted(attempts) == [0] * 8 + [1] * 8
    compare(found, tmp_path / "undisturbed.npz")


def results(live):
    """Curves by key, and how many workers each trial lost."""
    database = live.database()
    with database.read() as session:
        found = {
            row.trial_key: curves.unpack(row.data) for row in session.scalars(select(CurveRow))
        }
        attempts = session.scalars(select(TrialRow.attempts)).all()
    database.close()
    return found, attempts


def compare(found, file):
    subprocess.run([sys.executable, "-c", UNDISTURBED, str(file)], check=True)
    with np.load(file) as undisturbed:
        assert set(found) == set(undisturbed)
        for key, own in found.items():
            np.testing.assert_array_equal(own, undisturbed[key], strict=True)
