"""What installed packages add, by entry points.

A package's `pyproject.toml` says::

    [project.entry-points."lpwd.optimizers"]
    any-name = "its_module:OPTIMIZERS"

where `OPTIMIZERS` is an `OptimizerEntry`, or several of them in a tuple or list. Tasks come the
same way, by `lpwd.tasks`, and the data sets they need, by `lpwd.datasets`.
"""

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from lpwd.entry import OptimizerEntry
from lpwd.errors import BrokenPlugin

Offer = TypeVar("Offer")


def plugin_entries() -> Iterator[OptimizerEntry]:
    """Yield the optimizers of every installed plug-in, each naming the package it comes from.

    Raises:
        BrokenPlugin: as `offers` does.
    """
    for package, entry in offers("lpwd.optimizers", OptimizerEntry):
        yield replace(entry, distribution=package)


def offers(group: str, kind: type[Offer]) -> Iterator[tuple[str, Offer]]:
    """Yield what installed packages offer in a group of entry points, with the package's name.

    Raises:
        BrokenPlugin: one cannot be imported, or is not of that kind. It is not passed over: a
            study that names what it offers would fail later and less clearly.
    """
    for point in sorted(entry_points(group=group), key=lambda point: (_package(point), point.name)):
        for offer in _load(point, kind):
            yield _package(point), offer


def _load(point: EntryPoint, kind: type[Offer]) -> tuple[Offer, ...]:
    try:
        found = point.load()
    except Exception as error:  # importing another's module may raise anything
        raise BrokenPlugin(_complaint(point, f"{type(error).__name__}: {error}")) from error
    several = tuple(found) if isinstance(found, tuple | list) else (found,)
    for one in several:
        if not isinstance(one, kind):
            wanted = f"{kind.__module__}.{kind.__qualname__}"
            raise BrokenPlugin(_complaint(point, f"{one!r} is no {wanted}, nor some of them"))
    return several


def _complaint(point: EntryPoint, what: str) -> str:
    return (
        f"the package {_package(point)} offers {point.group} as {point.name} = {point.value!r}, "
        f"which does not work ({what}); repair it or uninstall it"
    )


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "(unknown)"
