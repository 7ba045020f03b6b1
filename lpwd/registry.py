"""Things by name: each registered once, those of installed packages joining when first needed."""

import difflib
import threading
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """What it is looked up by."""


Item = TypeVar("Item", bound=Named)


class Registry(Generic[Item]):
    """A process's own items by name, and those of plug-ins."""

    def __init__(
        self,
        own: Iterable[Item],
        plugins: Callable[[], Iterable[Item]],
        clash: Callable[[Item, Item], Exception],
    ) -> None:
        """Begin with `own`.

        Args:
            own: Items that are there without any plug-in.
            plugins: Loads the items of installed packages; called once, when first needed.
            clash: Makes the error for a new item whose name an old one has.
        """
        self._items = {item.name: item for item in own}
        self._plugins = plugins
        self._clash = clash
        self._complete = False
        self._lock = threading.RLock()  # a plug-in may look things up while it is loaded

    def add(self, item: Item) -> None:
        """Register an item. Names are never replaced: what one means must not depend on order."""
        with self._lock:
            self._join(self._items, item)

    def get(self, name: str) -> Item | None:
        """Return the item of that name, None where there is none. Own items need no plug-in."""
        if name not in self._items:
            self._load()
        return self._items.get(name)

    def all(self) -> tuple[Item, ...]:
        """Return every item: own ones first, in the order of registration."""
        self._load()
        return tuple(self._items.values())

    def near(self, name: str) -> str:
        """Return a question about names that resemble this one, empty where none does."""
        found = difflib.get_close_matches(name, self._items, n=3)
        return f"did you mean {' or '.join(map(repr, found))}? " if found else ""

    def _load(self) -> None:
        if self._complete:
            return
        with self._lock:
            if self._complete:  # by another thread, meanwhile
                return
            offered = list(self._plugins())
            items = dict(self._items)  # completed apart: after an error the next call raises again
            for item in offered:
                self._join(items, item)
            self._items, self._complete = items, True

    def _join(self, items: dict[str, Item], item: Item) -> None:
        if item.name in items:
            raise self._clash(item, items[item.name])
        items[item.name] = item
