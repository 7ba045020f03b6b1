"""The grid that `versus.py` has everyone train."""

from dataclasses import dataclass
from itertools import product
from typing import Any

from workers import tasks
from workers.contracts import Budget, TrialSpec


@dataclass(frozen=True)
class Grid:
    """AdamW on `digits-mlp` at every learning rate × weight decay × seed."""

    learning_rates: tuple[float, ...] = (0.001, 0.002, 0.005, 0.01, 0.02)
    weight_decays: tuple[float, ...] = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
    seeds: tuple[int, ...] = (0, 1)
    epochs: int = 20
    batch_size: int = 64
    task: str = "digits-mlp"

    def trial(self, learning_rate: float, weight_decay: float, seed: int) -> TrialSpec:
        """Return one trial."""
        task = tasks.get(self.task)
        budget = Budget(self.epochs, self.batch_size)
        return TrialSpec(
            task.name, task.version, "adamw", 1, learning_rate, weight_decay, seed, budget
        )

    def trials(self) -> list[TrialSpec]:
        """Return all of them."""
        points = product(self.seeds, self.learning_rates, self.weight_decays)
        return [self.trial(rate, decay, seed) for seed, rate, decay in points]

    def request(self) -> dict[str, Any]:
        """Return the grid as the service is sent it."""
        return {
            "task": self.task,
            "optimizers": ["adamw"],
            "learning_rates": list(self.learning_rates),
            "weight_decays": list(self.weight_decays),
            "seeds": list(self.seeds),
            "budget": {"epochs": self.epochs, "batch_size": self.batch_size},
        }


FULL = Grid()
QUICK = Grid(learning_rates=(0.005,), weight_decays=(0.0, 0.1), seeds=(0,), epochs=2)
