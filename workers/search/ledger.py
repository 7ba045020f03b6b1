"""Who is given the next point: pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from workers.search.contracts import Past, PointState, Search

HOPELESS = 5
"""Points of an optimizer that all failed, with no other outcome, after which it is given up."""


@dataclass
class Account:
    """What one optimizer has used up of its budget."""

    ended: int = 0
    failed: int = 0
    seconds: float = 0.0
    numbers: set[int] = field(default_factory=set)
    """Of the points begun."""


class Ledger:
    """The budget of every optimizer. Points are dealt in turn, so that all come as far."""

    def __init__(self, search: Search) -> None:
        """Begin with nothing used up."""
        self._search = search
        self._accounts = {optimizer.label: Account() for optimizer in search.optimizers}

    def recall(self, label: str, points: Iterable[Past]) -> None:
        """Count points that ended before."""
        for point in points:
            self._accounts[label].numbers.add(point.number)
            self.spend(label, point.seconds)
            self.end(label, point.state)

    def next(self) -> str | None:
        """Return the optimizer whose turn it is, None where every budget is used up."""
        open_ = [label for label, account in self._accounts.items() if self._open(account)]
        return min(open_, key=lambda label: len(self._accounts[label].numbers), default=None)

    def begin(self, label: str) -> int:
        """Begin a point; returns its number, the first that is free: some were cut off."""
        numbers = self._accounts[label].numbers
        number = next(number for number in range(len(numbers) + 1) if number not in numbers)
        numbers.add(number)
        return number

    def spend(self, label: str, seconds: float) -> None:
        """Count time of training."""
        self._accounts[label].seconds += seconds

    def end(self, label: str, state: PointState) -> None:
        """Count the end of a point."""
        account = self._accounts[label]
        account.ended += 1
        account.failed += state is PointState.FAILED

    def _open(self, account: Account) -> bool:
        search = self._search
        if len(account.numbers) >= search.points:
            return False
        if search.seconds is not None and account.seconds >= search.seconds:
            return False
        return not account.ended == account.failed >= HOPELESS
