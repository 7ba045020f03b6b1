"""The catalogue: every optimizer by name, with its hyperparameters. Reading it imports no torch.

To add an optimizer, write its factory (`(groups, *, lr, weight_decay, **hyperparameters) ->
torch.optim.Optimizer`) and one `OptimizerEntry` that names the factory as "module:function";
`register()` the entry, or offer it from an installed package by an entry point (`lpwd.plugins`).
The factory's module is imported only when the optimizer is built.
"""

from lpwd.builtin import BUILTIN
from lpwd.entry import OptimizerEntry
from lpwd.errors import DuplicateOptimizer, UnknownOptimizer
from lpwd.hyperparameters import Hyperparameter
from lpwd.plugins import plugin_entries
from lpwd.registry import Registry

__all__ = ["Hyperparameter", "OptimizerEntry", "entries", "get", "register"]


def _clash(new: OptimizerEntry, old: OptimizerEntry) -> DuplicateOptimizer:
    return DuplicateOptimizer(
        f"{new.distribution} registers an optimizer {new.name!r}, which {old.distribution} has "
        "registered already; choose another name"
    )


_registry = Registry(BUILTIN, plugin_entries, _clash)


def register(entry: OptimizerEntry) -> OptimizerEntry:
    """Add `entry` to the catalogue of this process and return it.

    Raises:
        DuplicateOptimizer: the name is taken. Names are never replaced: a benchmark whose
            "adamw" depends on the import order is worth nothing.
    """
    _registry.add(entry)
    return entry


def entries() -> tuple[OptimizerEntry, ...]:
    """Return every entry: the library's own, then those of plug-ins and of this process.

    Raises:
        BrokenPlugin: an installed package offers optimizers that cannot be loaded.
        DuplicateOptimizer: a plug-in's name is taken.
    """
    return _registry.all()


def get(name: str) -> OptimizerEntry:
    """Return the entry called `name`.

    Raises:
        UnknownOptimizer: there is none; the message lists near matches and every known name.
        BrokenPlugin: it is none of the library's own, and a plug-in cannot be loaded.
    """
    found = _registry.get(name)
    if found is None:
        known = ", ".join(entry.name for entry in _registry.all())
        raise UnknownOptimizer(f"no optimizer {name!r}; {_registry.near(name)}known: {known}")
    return found
