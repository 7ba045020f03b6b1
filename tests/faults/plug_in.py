"""Tasks of others, as packages that are installed in a folder."""

import os
from pathlib import Path

TASK = """
from workers.tasks import Metric, Task

TASK = Task(
    name="{name}", title="{title}", summary="{summary}", version=1,
    metric=Metric("accuracy", maximize=True, chance=0.5), epochs={epochs}, batch_size=32,
    examples=(32, 32, 32), licence="none", source="none", problem="{name}_problem:PROBLEM",
)
"""
"""Without torch, as the tasks that ship: processes that do not train soon know it."""


def write_task(folder: Path, name: str, problem: str, *, summary: str, epochs: int) -> str:
    """Write a task of 32 examples a split as a package.

    Args:
        folder: Where; it is made.
        name: Of the task and the package.
        problem: Source of a module with its `PROBLEM`.
        summary: What is odd about it.
        epochs: Its usual budget.

    Returns:
        The `PYTHONPATH` of processes that are to know it.
    """
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[lpwd.tasks]\n{name} = {name}_task:TASK\n")
    declared = TASK.format(name=name, title=name.title(), summary=summary, epochs=epochs)
    (folder / f"{name}_task.py").write_text(declared)
    (folder / f"{name}_problem.py").write_text(problem)
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
