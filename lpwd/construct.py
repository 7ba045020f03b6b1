"""Building an optimizer by its name in the catalogue."""

import importlib
from collections.abc import Iterable
from typing import Any

from torch import Tensor

from lpwd import catalogue
from lpwd.family import FamilyOptimizer


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
        UnknownHyperparameter, InvalidHyperparameter: as `OptimizerEntry.resolve`.
    """
    entry = catalogue.get(name)
    resolved = entry.resolve(hyperparameters)
    module, _, function = entry.factory.partition(":")
    factory = getattr(importlib.import_module(module), function)
    optimizer = factory(groups, lr=lr, weight_decay=weight_decay, **resolved, **entry.fixed)
    if not isinstance(optimizer, FamilyOptimizer):
        raise TypeError(
            f"{entry.factory} of {name!r} returned {optimizer!r}, not a FamilyOptimizer"
        )
    return optimizer
