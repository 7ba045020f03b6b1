"""The catalogue: every optimizer by name, with its hyperparameters. Reading it imports no torch.

To add an optimizer, write its factory (`(groups, *, lr, weight_decay, **hyperparameters) ->
torch.optim.Optimizer`) and `register()` one `OptimizerEntry` that names the factory as
"module:function". The module is imported only when the optimizer is built.
"""

import difflib

from lpwd.builtin import BUILTIN
from lpwd.entry import OptimizerEntry
from lpwd.errors import DuplicateOptimizer, UnknownOptimizer
from lpwd.hyperparameters import Hyperparameter

__all__ = ["Hyperparameter", "OptimizerEntry", "entries", "get", "register"]

_entries: dict[str, OptimizerEntry] = {entry.name: entry for entry in BUILTIN}


def register(entry: OptimizerEntry) -> OptimizerEntry:
    """Add `entry` to the catalogue and return it.

    Raises:
        DuplicateOptimizer: the name is taken. Names are never replaced: a benchmark whose
            "adamw" depends on the import order is worth nothing.
    """
    if entry.name in _entries:
        raise DuplicateOptimizer(
            f"the catalogue already has an optimizer {entry.name!r}, registered by "
            f"{_entries[entry.name].distribution}; choose another name"
        )
    _entries[entry.name] = entry
    return entry


def entries() -> tuple[OptimizerEntry, ...]:
    """Return every entry, in the order of registration."""
    return tuple(_entries.values())


def get(name: str) -> OptimizerEntry:
    """Return the entry called `name`.

    Raises:
        UnknownOptimizer: there is none; the message lists near matches and every known name.
    """
    if name in _entries:
        return _entries[name]
    near = difflib.get_close_matches(name, _entries, n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownOptimizer(f"no optimizer {name!r}; {hint}known: {', '.join(_entries)}")
