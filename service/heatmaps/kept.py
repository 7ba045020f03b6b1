"""What was last looked at, within a bound; thread-safe."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by key; those not looked at for longest go when all weigh too much together."""

    def __init__(self, most: float) -> None:
        """Keep values that weigh `most` together."""
        self._most = most
        self._weight = 0.0
        self._values: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        """Return what is kept under a key, or None."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[1]

    def put(self, key: Hashable, value: Value, weight: float = 1.0) -> None:
        """Keep a value, unless it weighs too much alone."""
        with self._lock:
            old = self._values.pop(key, None)
            self._weight -= old[0] if old else 0.0
            self._values[key] = weight, value
            self._weight += weight
            while self._weight > self._most:
                _, (dropped, _) = self._values.popitem(last=False)
                self._weight -= dropped
