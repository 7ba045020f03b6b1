"""The data of a pack, on its device: one copy a seed, however many trials share it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from workers import tasks
from workers.tasks import Examples, Problem
from workers.training.seeds import Stream, batch_order, generator, load_splits

SEEDS_KEPT = 4
"""Seeds whose data stay on the device between packs."""


@dataclass(frozen=True)
class Split:
    """Examples on the device: inputs (n, …) and targets (n, …)."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class SeedData:
    """The splits of one seed."""

    train: Split
    validation: Split
    test: Split


@lru_cache(maxsize=SEEDS_KEPT)
def seed_data(
    task: str, version: int, seed: int, dtype: torch.dtype, device: torch.device
) -> SeedData:
    """Load a seed's data and bring it to the device; kept for the next pack.

    Args:
        task: Its name.
        version: Its version: another one has other data.
        seed: Decides the splits.
        dtype: Of floating-point inputs. Integers stay as they are.
        device: Where to.
    """
    del version
    splits = load_splits(tasks.get(task).load(), seed)
    return SeedData(
        *(_on(s, dtype, device) for s in (splits.train, splits.validation, splits.test))
    )


def _on(examples: Examples, dtype: torch.dtype, device: torch.device) -> Split:
    inputs, targets = (torch.from_numpy(part) for part in examples)
    return Split(
        inputs.to(device, dtype) if inputs.is_floating_point() else inputs.to(device),
        targets.to(device),
    )


class PackData:
    """The data of S seeds, batch by batch. Batches are (S, b, …), a row a seed."""

    def __init__(
        self, problem: Problem, seeds: Sequence[int], data: Sequence[SeedData], dtype: torch.dtype
    ) -> None:
        """Serve `data`, a `SeedData` a seed, as the problem augments and prepares it."""
        self._seeds = seeds
        self._augment = problem.augment
        self._prepare = _preparation(problem, dtype)
        self.data = data
        self.examples = len(data[0].train)

    def batches(self, epoch: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield an epoch's training batches: inputs (S, b, …) and targets (S, b, …).

        The last batch is smaller when `size` does not divide the examples.
        """
        device = self.data[0].train.targets.device
        order = batch_order(self._seeds, epoch, self.examples).to(device)
        first = epoch * -(-self.examples // size)
        for step, chosen in enumerate(torch.split(order, size, dim=1), first):
            yield (
                torch.stack([self._training_inputs(row, chosen[row], step) for row in self._rows]),
                torch.stack([self.data[row].train.targets[chosen[row]] for row in self._rows]),
            )

    def evaluation(
        self, split: Callable[[SeedData], Split], size: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield a split in order, `size` examples of each seed at once."""
        parts = [split(data) for data in self.data]
        for start in range(0, len(parts[0]), size):
            chunk = slice(start, start + size)
            yield (
                torch.stack([self._prepare(part.inputs[chunk]) for part in parts]),
                torch.stack([part.targets[chunk] for part in parts]),
            )

    @property
    def _rows(self) -> range:
        return range(len(self._seeds))

    def _training_inputs(self, row: int, chosen: Tensor, step: int) -> Tensor:
        inputs = self.data[row].train.inputs[chosen]
        if self._augment is not None:
            chance = generator(self._seeds[row], Stream.AUGMENTATION, step)
            inputs = self._augment(inputs, chance)
        return self._prepare(inputs)


def _preparation(problem: Problem, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Return the problem's preparation, its floating-point result in the trial's precision."""
    prepare = problem.prepare
    if prepare is None:
        return lambda inputs: inputs

    def prepared(inputs: Tensor) -> Tensor:
        found = prepare(inputs)
        return found.to(dtype) if found.is_floating_point() else found

    return prepared
