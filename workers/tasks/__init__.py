"""The tasks. To add one: a file with its `Problem`, and its record in `built_in.py`; or offer it
from an installed package by an entry point of the group `lpwd.tasks` (see `lpwd.plugins`).

Importing this package needs no torch.
"""

from collections.abc import Iterator

from lpwd.plugins import offers
from lpwd.registry import Registry
from workers import data
from workers.errors import DuplicateTaskError, UnknownDataSetError, UnknownTaskError
from workers.tasks.built_in import BUILT_IN
from workers.tasks.task import Examples, Metric, Problem, Splits, Task

__all__ = [
    "Examples",
    "Metric",
    "Problem",
    "Splits",
    "Task",
    "check",
    "get",
    "names",
    "register",
    "tasks",
]


def _plugins() -> Iterator[Task]:
    for _, task in offers("lpwd.tasks", Task):
        yield task


def _clash(new: Task, _old: Task) -> DuplicateTaskError:
    return DuplicateTaskError(f"task {new.name!r} is registered already; choose another name")


_registry = Registry(BUILT_IN, _plugins, _clash)


def register(task: Task) -> Task:
    """Add a task to those of this process. Raises `DuplicateTaskError` when the name is taken."""
    _registry.add(task)
    return task


def get(name: str) -> Task:
    """Return the task of that name.

    Raises:
        UnknownTaskError: There is none; the message names those there are.
        lpwd.errors.BrokenPlugin: It is none of our own, and a plug-in cannot be loaded.
    """
    found = _registry.get(name)
    if found is None:
        hint = _registry.near(name)
        raise UnknownTaskError(f"unknown task {name!r}; {hint}there are: {', '.join(names())}")
    return found


def names() -> tuple[str, ...]:
    """Names of all tasks, sorted. Raises `lpwd.errors.BrokenPlugin` as `get` does."""
    return tuple(task.name for task in tasks())


def check() -> None:
    """Load every task there is, and look whether the data sets they name are known.

    Raises:
        UnknownDataSetError: A task needs a data set that nobody registered.
        lpwd.errors.BrokenPlugin: A plug-in cannot be loaded.
    """
    known = data.names()
    for task in tasks():
        for name in task.datasets:
            if name not in known:
                raise UnknownDataSetError(
                    f"task {task.name!r} needs an unknown data set {name!r}; "
                    f"there are: {', '.join(known)}"
                )


def tasks() -> tuple[Task, ...]:
    """All tasks, by name. Raises `lpwd.errors.BrokenPlugin` as `get` does."""
    return tuple(sorted(_registry.all(), key=lambda task: task.name))
