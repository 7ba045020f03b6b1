"""Building an optimizer by its name in the catalogue."""

import importlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from lpwd import catalogue
from lpwd.entry import OptimizerEntry
from lpwd.errors import BrokenFactory
from lpwd.external import ExternalOptimizer
from lpwd.family import FamilyOptimizer
from lpwd.slices import Group


def build(
    name: str,
    groups: Iterable[Any],
    *,
    lr: float | Tensor,
    weight_decay: float | Tensor,
    **hyperparameters: object,
) -> FamilyOptimizer:
    """Return the catalogue's optimizer `name` on `groups`.

    Args:
        name: as in `catalogue.entries()`.
        groups: parameter groups of `layer_groups` or `LayerTable.groups`.
        lr: η, a float or a tensor of shape (K,) for K stacked models.
        weight_decay: λ, likewise; a group's own `weight_decay` goes before it.
        hyperparameters: by name; those not given take the catalogue's default.

    Raises:
        UnknownOptimizer: there is no such name.
        BrokenFactory: what the entry names cannot be imported, or builds the wrong thing.
        UnknownHyperparameter, InvalidHyperparameter: as `OptimizerEntry.resolve`.
    """
    entry = catalogue.get(name)
    resolved = entry.resolve(hyperparameters)
    options = {**entry.fixed, **resolved}
    factory = _factory(entry)
    if not entry.stacks:
        make = partial(_call, factory, options)
        return ExternalOptimizer(groups, make, lr=lr, weight_decay=weight_decay)
    optimizer = factory(groups, lr=lr, weight_decay=weight_decay, **options)
    if not isinstance(optimizer, FamilyOptimizer):
        raise BrokenFactory(
            f"{entry.factory} of {name!r} returned {type(optimizer).__name__}: an entry with "
            "stacks=True must build a lpwd.FamilyOptimizer; for others leave stacks out"
        )
    return optimizer


def _call(
    factory: Callable[..., Any],
    options: Mapping[str, object],
    groups: list[Group],
    lr: float,
    weight_decay: float,
) -> Optimizer:
    optimizer: Optimizer = factory(groups, lr=lr, weight_decay=weight_decay, **options)
    return optimizer


def _factory(entry: OptimizerEntry) -> Callable[..., Any]:
    """Import the factory that the entry names.

    Raises:
        BrokenFactory: the module or the function is not there, or its import fails.
    """
    module, _, function = entry.factory.partition(":")
    try:
        factory: Callable[..., Any] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise BrokenFactory(
            f"the factory {entry.factory!r} of {entry.name!r}, from the package "
            f"{entry.distribution}, cannot be imported: {error}"
        ) from error
    return factory
