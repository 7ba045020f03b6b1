"""Optimizers that installed packages add to the catalogue, by the entry points `lpwd.optimizers`.

A package's `pyproject.toml` says::

    [project.entry-points."lpwd.optimizers"]
    any-name = "its_module:OPTIMIZERS"

where `OPTIMIZERS` is an `OptimizerEntry`, or several of them in a tuple or list.
"""

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points

from lpwd.entry import OptimizerEntry
from lpwd.errors import BrokenPlugin

GROUP = "lpwd.optimizers"


def plugin_entries() -> Iterator[OptimizerEntry]:
    """Yield the entries of every installed plug-in, each naming the package it comes from.

    Raises:
        BrokenPlugin: one cannot be imported, or is no `OptimizerEntry`. It is not passed over: a
            study that names its optimizer would fail later and less clearly.
    """
    for point in sorted(entry_points(group=GROUP), key=lambda point: (_package(point), point.name)):
        for entry in _load(point):
            yield replace(entry, distribution=_package(point))


def _load(point: EntryPoint) -> tuple[OptimizerEntry, ...]:
    try:
        found = point.load()
    except Exception as error:
        raise BrokenPlugin(_complaint(point, f"{type(error).__name__}: {error}")) from error
    entries = tuple(found) if isinstance(found, tuple | list) else (found,)
    for entry in entries:
        if not isinstance(entry, OptimizerEntry):
            raise BrokenPlugin(
                _complaint(
                    point, f"{entry!r} is no lpwd.catalogue.OptimizerEntry, nor some of them"
                )
            )
    return entries


def _complaint(point: EntryPoint, what: str) -> str:
    return (
        f"the package {_package(point)} offers optimizers as {point.name} = {point.value!r}, which "
        f"does not work ({what}); repair it or uninstall it"
    )


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "(unknown)"
