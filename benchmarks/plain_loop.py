"""One trial in the loop that anyone would write: what the other benchmarks compare with.

It is meant to be a good one: data are tensors in memory, a batch is one indexing, no DataLoader,
nothing is read back from the device within an epoch. Initial weights, splits and the order of
batches come from the same functions as in stacked training, so that accuracies can be compared.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from workers import tasks
from workers.contracts import TrialSpec
from workers.tasks import Problem
from workers.training.seeds import batch_order, initial_model, load_splits


@dataclass(frozen=True)
class Scores:
    """What is recorded after an epoch."""

    validation: float
    test: float


@lru_cache(maxsize=8)
def data(task: str, seed: int) -> tuple[tuple[Tensor, Tensor], ...]:
    """Return inputs and targets of train, validation and test; loaded once a process."""
    splits = load_splits(tasks.get(task).load(), seed)
    return tuple(
        (torch.from_numpy(inputs), torch.from_numpy(targets))
        for inputs, targets in (splits.train, splits.validation, splits.test)
    )


class PlainRun:
    """A trial with AdamW."""

    def __init__(self, trial: TrialSpec, *, fused: bool | None = None) -> None:
        """Load the data, initialise the model, make the optimizer.

        Args:
            trial: Its optimizer is taken for AdamW.
            fused: Passed on to `torch.optim.AdamW`; None is how it comes.
        """
        self.trial = trial
        self.problem: Problem = tasks.get(trial.task).load()
        self.train, self.validation, self.test = data(trial.task, trial.seed)
        self.model: nn.Module = initial_model(self.problem, trial.seed)
        params = list(self.model.parameters())
        groups = [  # weights decay, biases and normalisation do not, as everywhere in this project
            {"params": [p for p in params if p.ndim >= 2]},
            {"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=trial.learning_rate,
            weight_decay=trial.weight_decay,
            fused=fused,
        )
        self.epoch = 0

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the coming epoch's batches."""
        inputs, targets = self.train
        (order,) = batch_order([self.trial.seed], self.epoch, len(targets))
        for chosen in order.split(self.trial.budget.batch_size):
            yield inputs[chosen], targets[chosen]

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        """Take one optimizer step."""
        self.optimizer.zero_grad()
        loss = self.problem.loss(self.model(inputs), targets)
        loss.backward()
        self.optimizer.step()

    def train_epoch(self) -> Scores:
        """Train an epoch, then evaluate on validation and test."""
        self.model.train()
        for inputs, targets in self.batches():
            self.step(inputs, targets)
        self.epoch += 1
        return Scores(self.evaluate(self.validation), self.evaluate(self.test))

    @torch.no_grad()
    def evaluate(self, examples: tuple[Tensor, Tensor]) -> float:
        """Return the score on a split."""
        self.model.eval()
        inputs, targets = examples
        return float(self.problem.score(self.model(inputs), targets))


def train(
    trial: TrialSpec, *, fused: bool | None = None, hear: Callable[[Scores], object] | None = None
) -> Scores:
    """Train a trial to the end of its budget; returns the last epoch's scores.

    Args:
        trial: What to train.
        fused: As in `PlainRun`.
        hear: Told of every epoch.
    """
    run = PlainRun(trial, fused=fused)
    for _ in range(trial.budget.epochs):
        scores = run.train_epoch()
        if hear is not None:
            hear(scores)
    return scores
