"""The guide to tasks: its snippets run as they stand, and it names every task and data set."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from workers import data, tasks

GUIDE = (Path(__file__).parents[2] / "docs/guides/tasks.md").read_text()


def files():
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", GUIDE, re.DOTALL)
    assert [name for name, _ in blocks] == ["stripes.py", "stripes_task.py", "sonar.py"]
    return dict(blocks)


def test_the_task_it_adds_trains(tmp_path):
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    program = """
import sys
from stripes_task import TASK
from sonar import SONAR
from workers import data, tasks
tasks.register(TASK)
assert data.register(SONAR) in data.missing(["sonar"])
assert "torch" not in sys.modules
from workers.contracts import Budget, Pack, TrialSpec
from workers.training import train
trial = TrialSpec("stripes", 1, "adamw", 1, 0.01, 0.0, 0, Budget(TASK.epochs, TASK.batch_size))
*_, last = train(Pack((trial,)))
assert last.values[0, 4] > 0.9, last.values
assert tuple(len(part[1]) for part in vars(TASK.load().load(0)).values()) == TASK.examples
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)


def test_the_entry_point_leads_to_the_task():
    (text,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    points = tomllib.loads(text)["project"]["entry-points"]
    assert points == {"lpwd.tasks": {"stripes": "stripes_task:TASK"}}
    assert "TASK = Task(" in files()["stripes_task.py"]


def test_every_task_and_data_set_that_is_fetched_is_named():
    named = set(re.findall(r"`([a-z0-9-]+)`", GUIDE))
    assert set(tasks.names()) <= named
    assert {one.name for one in data.datasets() if one.downloads} <= named


def test_the_engine_trains_as_its_guide_says(tmp_path):
    text = (Path(__file__).parents[2] / "docs/guides/training-engine.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
