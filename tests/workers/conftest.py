import tempfile
from pathlib import Path

import pytest
import torch

from tests.workers.tiny_data import tiny_datasets
from workers import data, tasks
from workers.contracts import Budget, LearningRateSchedule, NumericMode, Precision, TrialSpec
from workers.training import straight

# As a worker does. Two threads that wait for each other on busy cores are slower than one.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _straight(caplog):
    """Hold every program to run in the interpreter. A test whose one cannot clears the log."""
    yield
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    assert not [one.getMessage() for one in records if one.name == straight.__name__]


@pytest.fixture
def trial():
    """Make a trial of digits-mlp; keywords change it."""

    def make(
        optimizer="adamw",
        learning_rate=0.01,
        weight_decay=0.1,
        seed=0,
        *,
        task="digits-mlp",
        epochs=2,
        batch_size=64,
        schedule=LearningRateSchedule.CONSTANT,
        precision=Precision.FLOAT32,
        hyperparameters=None,
        **numerics,
    ):
        return TrialSpec(
            task=task,
            task_version=tasks.get(task).version,
            optimizer=optimizer,
            optimizer_version=1,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            seed=seed,
            budget=Budget(epochs, batch_size, schedule, NumericMode(precision, **numerics)),
            hyperparameters=hyperparameters or {},
        )

    return make


@pytest.fixture(scope="session")
def tiny_folder():
    """Lay out small data sets once; weights make it large, so it is not kept as `tmp_path` is."""
    with tempfile.TemporaryDirectory(prefix="lpwd-datasets-") as folder:
        tiny_datasets(Path(folder))
        yield Path(folder)


@pytest.fixture
def tiny(tiny_folder, monkeypatch):
    """Have this process read small data sets; returns their folder."""
    monkeypatch.setenv(data.FOLDER, str(tiny_folder))
    return tiny_folder
