"""Layer-wise pre-weight decay (LPWD), its relatives and its controls, as PyTorch optimizers.

Names are imported when they are first used, so that `lpwd.catalogue` can be read without torch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lpwd import catalogue
    from lpwd.adopt import adopt_state
    from lpwd.construct import build
    from lpwd.family import FamilyOptimizer
    from lpwd.layers.table import LayerTable, layer_groups, layer_table
    from lpwd.optimizer import DecayedOptimizer
    from lpwd.optimizers import LPWD, SGD, SGDLPWD, Adam

_HOMES = {
    "Adam": "lpwd.optimizers",
    "DecayedOptimizer": "lpwd.optimizer",
    "FamilyOptimizer": "lpwd.family",
    "LPWD": "lpwd.optimizers",
    "LayerTable": "lpwd.layers.table",
    "SGD": "lpwd.optimizers",
    "SGDLPWD": "lpwd.optimizers",
    "adopt_state": "lpwd.adopt",
    "build": "lpwd.construct",
    "layer_groups": "lpwd.layers.table",
    "layer_table": "lpwd.layers.table",
}

__all__ = [
    "LPWD",
    "SGD",
    "SGDLPWD",
    "Adam",
    "DecayedOptimizer",
    "FamilyOptimizer",
    "LayerTable",
    "adopt_state",
    "build",
    "catalogue",
    "layer_groups",
    "layer_table",
]


def __getattr__(name: str) -> object:
    if name == "catalogue":
        return importlib.import_module("lpwd.catalogue")
    if name not in _HOMES:
        raise AttributeError(f"module 'lpwd' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
