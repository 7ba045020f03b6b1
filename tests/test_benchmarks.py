"""Benchmarks run. What they measure is no test: see docs/benchmarks.md."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.load_service import Service

ROOT = Path(__file__).parent.parent
BENCHMARKS = sorted(
    path.stem for path in (ROOT / "benchmarks").glob("*.py") if "def main()" in path.read_text()
)
HELP_OF_ALL = f"""
import runpy, sys
for name in {BENCHMARKS!r}:
    sys.argv = [name, "--help"]
    try:
        runpy.run_module(f"benchmarks.{{name}}", run_name="__main__")
    except SystemExit as end:
        assert not end.code, name
"""
"""In one process: importing torch for each would take longer than all the rest."""


def python(*arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_benchmark_explains_itself():
    assert python("-c", HELP_OF_ALL).count("usage:") == len(BENCHMARKS)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_is_documented(name):
    assert f"benchmarks.{name}" in (ROOT / "docs" / "benchmarks.md").read_text()


def test_ways_that_run_the_same_loop_agree_to_the_bit(tmp_path):
    path = tmp_path / "found.json"
    ways = ("plain-1", "processes")
    printed = python("-m", "benchmarks.versus", "--quick", "--ways", *ways, "--json", str(path))
    assert "0.00 points apart: the same" in printed
    found = json.loads(path.read_text())
    one, other = (found["outcomes"][way][0]["accuracies"] for way in ways)
    assert one == other
    assert found["machine"]["cores"] >= 1


def test_a_service_that_does_not_start_ends_a_benchmark(tmp_path):
    service = Service(tmp_path, "sqlite:///unused.db")
    failed = pytest.raises(RuntimeError, match=r"(?s)ended with 2 at its start.*no-such-command")
    with failed, service.run("no-such-command"):
        pass
