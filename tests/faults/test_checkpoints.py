"""Packs whose worker or runner is killed go on from their checkpoints, to the same bits."""

import numpy as np
from sqlalchemy import select

from service.db.tables.studies import TrialRow
from service.studies.model import StudyState
from tests.faults.patient import PatientTask, check_equal, stored
from tests.live import serving, wait_until

STUDY = {
    "task": "patient",
    "optimizers": ["adamw"],
    "learning_rates": [0.001, 0.003, 0.01, 0.03],
    "weight_decays": [0, 0.01, 0.1, 1],
    "seeds": 1,
    "budget": {"epochs": 200},
}
SETTINGS = {
    "LPWD_PACK_SIZE": "8",  # two packs, one for each of two workers
    "LPWD_CHECKPOINT_SECONDS": "0.3",
    "LPWD_LEASE_SECONDS": "2",
}


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
    task = PatientTask(tmp_path / "task", pace=0.4)
    with serving(tmp_path, PYTHONPATH=task.path, **SETTINGS) as live, live.client() as client:
        study_id = client.submit(STUDY).study.id
        wait_until(lambda: len(kept(live)) == 2)
        live.found(r"ray::Trainer.train").kill()
        wait_until(lambda: goes_on(live) == 1)
        runner = live.found(r"service runner")
        runner.kill()
        runner.wait()  # or it may still write one
        spoilt, whole = kept(live)
        spoil(spoilt)
        wait_until(lambda: goes_on(live) == 3)
        task.pace(0)
        study = wait_until(lambda: (found := client.study(study_id)).state.final and found)
        assert study.state is StudyState.DONE, study.error
        log = live.log.read_text()
        assert "a checkpoint is of no use, its pack begins anew: ValueError: not a check" in log
        assert whole.name
        assert kept(live) == []
        assert sorted(attempts(live)) == [0] * 8 + [1] * 8
        check_equal(stored(live.database()), task.undisturbed(STUDY))


def attempts(live):
    """How many workers each trial lost."""
    database = live.database()
    with database.read() as session:
        found = session.scalars(select(TrialRow.attempts)).all()
    database.close()
    return found
