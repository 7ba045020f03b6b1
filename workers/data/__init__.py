"""The data sets that tasks train on: what they are, whether they are here, how they come here.

To add one: a record in `built_in.py`, or an entry point of the group `lpwd.datasets` of an
installed package (see `lpwd.plugins`). Importing this package needs no torch.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from lpwd.plugins import offers
from lpwd.registry import Registry
from workers.data.built_in import BUILT_IN
from workers.data.dataset import DataSet, Download, Packing
from workers.errors import DataMissingError, DuplicateDataSetError, UnknownDataSetError

__all__ = [
    "FOLDER",
    "DataSet",
    "Download",
    "Packing",
    "absolute",
    "datasets",
    "folder",
    "get",
    "missing",
    "names",
    "register",
    "require",
]

FOLDER = "LPWD_DATASETS_DIR"
"""Environment variable with the folder in which data sets lie."""


def folder() -> Path:
    """Return the folder in which data sets lie: `LPWD_DATASETS_DIR`, or one in the user's cache."""
    return absolute(Path(os.environ.get(FOLDER) or "~/.cache/lpwd/datasets"))


def absolute(path: Path) -> Path:
    """Return a path that means the same in every process of this user."""
    return path.expanduser().absolute()


def _plugins() -> Iterator[DataSet]:
    for _, dataset in offers("lpwd.datasets", DataSet):
        yield dataset


def _clash(new: DataSet, _old: DataSet) -> DuplicateDataSetError:
    return DuplicateDataSetError(
        f"data set {new.name!r} is registered already; choose another name"
    )


_registry = Registry(BUILT_IN, _plugins, _clash)


def register(dataset: DataSet) -> DataSet:
    """Add a data set to those of this process. Raises `DuplicateDataSetError`."""
    _registry.add(dataset)
    return dataset


def get(name: str) -> DataSet:
    """Return the data set of that name.

    Raises:
        UnknownDataSetError: There is none; the message names those there are.
        lpwd.errors.BrokenPlugin: It is none of our own, and a plug-in cannot be loaded.
    """
    found = _registry.get(name)
    if found is None:
        hint = _registry.near(name)
        raise UnknownDataSetError(
            f"unknown data set {name!r}; {hint}there are: {', '.join(names())}"
        )
    return found


def names() -> tuple[str, ...]:
    """Names of all data sets, as `datasets` orders them."""
    return tuple(dataset.name for dataset in datasets())


def datasets() -> tuple[DataSet, ...]:
    """All data sets: those that come with a package first, then by name."""
    return tuple(sorted(_registry.all(), key=lambda one: (bool(one.downloads), one.name)))


def missing(wanted: Iterable[str]) -> tuple[DataSet, ...]:
    """Return those of the named data sets that are not here. Raises as `get` does."""
    return tuple(dataset for dataset in map(get, wanted) if not dataset.here(folder()))


def require(task: str, wanted: Iterable[str]) -> None:
    """Make sure that what a task needs is here.

    Raises:
        DataMissingError: It is not. The message says the same to whoever sends a study and in a
            worker's log: what is missing and what fetches it.
        UnknownDataSetError: The task names a data set that nobody registered.
    """
    absent = missing(wanted)
    if not absent:
        return
    told = " and ".join(f"{one.name!r} ({one.title}{_size(one)})" for one in absent)
    packaged = [one.package for one in absent if one.package]
    fetched = [one.name for one in absent if not one.package]
    ways = [f"run `lpwd data fetch {' '.join(fetched)}`"] if fetched else []
    ways += [f"install {package}" for package in dict.fromkeys(packaged)]
    raise DataMissingError(
        f"task {task!r} needs the data set{'s' * (len(absent) > 1)} {told}, not here yet: "
        + " and ".join(ways)
    )


def _size(dataset: DataSet) -> str:
    return f", {dataset.download_bytes / 1e6:.0f} MB" if dataset.downloads else ""
