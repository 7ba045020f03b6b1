"""The catalogue: every optimizer by name, with its hyperparameters. Reading it imports no torch.

To add an optimizer, write its factory (`(groups, *, lr, weight_decay, **hyperparameters) ->
torch.optim.Optimizer`) and one `OptimizerEntry` that names the factory as "module:function";
`register()` the entry, or offer it from an installed package by an entry point (`lpwd.plugins`).
The factory's module is imported only when the optimizer is built.
"""

import difflib

from lpwd.builtin import BUILTIN
from lpwd.entry import OptimizerEntry
from lpwd.errors import DuplicateOptimizer, UnknownOptimizer
from lpwd.hyperparameters import Hyperparameter
from lpwd.plugins import plugin_entries

__all__ = ["Hyperparameter", "OptimizerEntry", "entries", "get", "register"]


class _Catalogue:
    """The entries so far, and whether those of plug-ins are among them."""

    def __init__(self) -> None:
        self.entries = {entry.name: entry for entry in BUILTIN}
        self.complete = False

    def add(self, entry: OptimizerEntry) -> None:
        if entry.name in self.entries:
            raise DuplicateOptimizer(
                f"{entry.distribution} registers an optimizer {entry.name!r}, which "
                f"{self.entries[entry.name].distribution} has registered already; choose another "
                "name"
            )
        self.entries[entry.name] = entry

    def load_plugins(self) -> None:
        if self.complete:
            return
        before = dict(self.entries)
        try:
            for entry in plugin_entries():
                self.add(entry)
        except Exception:
            self.entries = before  # so that the next call raises the same again
            raise
        self.complete = True


_catalogue = _Catalogue()


def register(entry: OptimizerEntry) -> OptimizerEntry:
    """Add `entry` to the catalogue of this process and return it.

    Raises:
        DuplicateOptimizer: the name is taken. Names are never replaced: a benchmark whose
            "adamw" depends on the import order is worth nothing.
    """
    _catalogue.add(entry)
    return entry


def entries() -> tuple[OptimizerEntry, ...]:
    """Return every entry: the library's own, then those of plug-ins and of this process.

    Raises:
        BrokenPlugin: an installed package offers optimizers that cannot be loaded.
        DuplicateOptimizer: a plug-in's name is taken.
    """
    _catalogue.load_plugins()
    return tuple(_catalogue.entries.values())


def get(name: str) -> OptimizerEntry:
    """Return the entry called `name`.

    Raises:
        UnknownOptimizer: there is none; the message lists near matches and every known name.
        BrokenPlugin: it is none of the library's own, and a plug-in cannot be loaded.
    """
    if name not in _catalogue.entries:
        _catalogue.load_plugins()
    known = _catalogue.entries
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownOptimizer(f"no optimizer {name!r}; {hint}known: {', '.join(known)}")
