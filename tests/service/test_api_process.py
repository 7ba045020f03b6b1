"""The API as a process: what it loads, and how large it is once every page was asked for."""

import os
import subprocess
import sys

import httpx
import psutil
import pytest

from service.db import Database
from tests.live import free_port, wait_until
from tests.service import work

HEAVY = ("torch", "ray", "pyarrow", "pandas", "scipy", "sklearn", "optuna", "vl_convert")
LARGEST = 200e6
"""Bytes of memory."""
PAGES = ("/", "/queue", "/docs", "/fragments/studies", "/studies/{study}", "/metrics", "/readyz")
ANSWERS = (
    "studies",
    "studies/{study}",
    "studies/{study}/trials",
    "studies/{study}/heatmap.json",
    "studies/{study}/heatmap.csv",
    "studies/{study}/heatmap.svg",
    "studies/{study}/robustness",
    "studies/{study}/comparison",
    "studies/{study}/events",
    "tasks",
    "optimizers",
    "presets",
    "schedules",
    "queue",
    "openapi.json",
)


@pytest.fixture
def served(sqlite_url, study):
    """Serve a database with a study in it, in a real process; returns process, client and study."""
    database = Database(sqlite_url)
    study_id = work.send(database, study(seeds=6))
    work.train(database, study_id)
    database.close()
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "api", "--port", str(port)],
        env={**os.environ, "LPWD_DATABASE_URL": sqlite_url, "LPWD_LOG_LEVEL": "warning"},
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:

        def answers():
            assert process.poll() is None
            try:
                return client.get("/healthz").is_success
            except httpx.TransportError:
                return False

        try:
            wait_until(answers)
            yield psutil.Process(process.pid), client, study_id
        finally:
            process.terminate()
            process.wait()


def loaded(process):
    """The heavy packages of which the process has a library in its memory."""
    files = {entry.path for entry in process.memory_maps()}
    return [name for name in HEAVY if any(f"/site-packages/{name}" in file for file in files)]


def test_the_process_stays_small_and_draws_elsewhere(served):
    process, client, study_id = served
    assert loaded(process) == []
    for path in (*PAGES, *(f"/api/v1/{answer}" for answer in ANSWERS)):
        answer = client.get(path.format(study=study_id))
        assert answer.status_code == 200, (path, answer.text[:300])
    assert loaded(process) == []
    assert process.memory_info().rss < LARGEST
    assert any("vl_convert" in loaded(child) for child in process.children(recursive=True))
