"""Two processes over gloo train as one does on both their batches, by DDP and by FSDP2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lpwd import catalogue
from tests.live import PATIENCE

WORKER = Path(__file__).with_name("distributed_worker.py")
ADAM = {entry.rule: entry.name for entry in catalogue.entries() if entry.base == "adam"}


@pytest.mark.parametrize("kind", ["ddp", "fsdp2", "partly"])
def test_two_processes_train_as_one(kind: str, tmp_path: Path) -> None:
    names = (
        ["adams"]
        if kind == "partly"
        else [*ADAM.values(), "adam-lpwd", "sgd-lpwd", "sgd-l2", "sgdw"]
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(WORKER), kind, str(rank), str(tmp_path / "meet"), *names],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
