"""Train a pack: all its trials in one batched computation.

The model is written once, for one trial. `torch.func.functional_call` under `torch.vmap` turns it
into a model of K sets of weights; one forward and one backward pass serve all of them. Trials never
mix: the loss that is differentiated is the sum over K of losses that share no weight.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

import lpwd
from workers import tasks
from workers.contracts import CURVES, EpochReport, LearningRateSchedule, Pack
from workers.errors import NotStackableError
from workers.tasks import Examples, Problem
from workers.training.divergence import diverged
from workers.training.schedule import learning_rate_factor
from workers.training.seeds import batch_order, initial_model, load_splits
from workers.training.slices import OptimizerSlice, members

EVALUATION_CHUNK = 1024
"""Examples evaluated at once, for each trial: bounds the memory of the activations."""


class _Data:
    """One split, for S seeds at once: inputs (S, n, …) and targets (S, n)."""

    def __init__(self, examples: list[Examples], dtype: torch.dtype, device: torch.device) -> None:
        self.inputs = torch.stack([torch.from_numpy(x) for x, _ in examples]).to(device, dtype)
        self.targets = torch.stack([torch.from_numpy(y) for _, y in examples]).to(device)

    def __len__(self) -> int:
        return self.targets.shape[1]


class StackedRun:
    """K trials in training. `train_epoch` moves all of them on by one epoch."""

    def __init__(self, pack: Pack, device: torch.device | str = "cpu") -> None:
        """Load the data, initialise the models, build the optimizers.

        Raises:
            NotStackableError: The model has buffers (running statistics).
        """
        self.pack = pack
        self._device = torch.device(device)
        self._dtype: torch.dtype = getattr(torch, pack.budget.numerics.precision)
        self._problem = tasks.get(pack.task).load()
        groups = members(pack.trials)
        self._order = [position for member in groups for position in member.positions]
        trials = [pack.trials[position] for position in self._order]
        self._seeds = sorted({trial.seed for trial in trials})
        self._row_of = self._tensor([self._seeds.index(t.seed) for t in trials], torch.int64)

        splits = [load_splits(self._problem, seed) for seed in self._seeds]
        self._train = _Data([split.train for split in splits], self._dtype, self._device)
        self._validation = _Data([split.validation for split in splits], self._dtype, self._device)
        self._test = _Data([split.test for split in splits], self._dtype, self._device)

        models = [initial_model(self._problem, seed) for seed in self._seeds]
        self._template = models[0].to(self._device, self._dtype)
        if any(True for _ in self._template.buffers()):
            raise NotStackableError(
                f"the model of task {pack.task!r} has buffers, which are not stacked yet; "
                "use normalisation without running statistics"
            )
        self._parameters = self._stack(models)
        table = lpwd.layer_table(self._template, self._train.inputs[0, :2])
        rates = self._tensor([trial.learning_rate for trial in trials], self._dtype)
        decays = self._tensor([trial.weight_decay for trial in trials], self._dtype)
        self._optimizers = []
        start = 0
        for member in groups:
            stop = start + len(member.positions)
            self._optimizers.append(
                OptimizerSlice(
                    member, start, self._parameters, table, rates[start:stop], decays[start:stop]
                )
            )
            start = stop
        self._losses = torch.vmap(_loss_of(self._template, self._problem))
        self._evaluation = torch.vmap(_evaluation_of(self._template, self._problem))
        self.epoch = 0
        self._step = 0
        self._first_loss: Tensor | None = None

    def _tensor(self, values: list[Any], dtype: torch.dtype) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=self._device)

    def _stack(self, models: list[nn.Module]) -> dict[str, Tensor]:
        """Give every trial its seed's initial weights: name to a leaf of shape (K, …)."""
        seeds = [dict(model.named_parameters()) for model in models]
        return {
            name: torch.stack([weights[name].detach() for weights in seeds])
            .to(self._device, self._dtype)[self._row_of]
            .requires_grad_()
            for name in seeds[0]
        }

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole budget."""
        return self.pack.budget.epochs * self._steps_per_epoch

    @property
    def _steps_per_epoch(self) -> int:
        return -(-len(self._train) // self.pack.budget.batch_size)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the coming epoch's batches: inputs (K, b, …) and targets (K, b).

        The last batch of an epoch is smaller when the batch size does not divide the examples.
        """
        order = batch_order(self._seeds, self.epoch, len(self._train)).to(self._device)
        rows = torch.arange(len(self._seeds), device=self._device).unsqueeze(1)
        for chosen in torch.split(order, self.pack.budget.batch_size, dim=1):
            yield (
                self._for_trials(self._train.inputs[rows, chosen]),
                self._for_trials(self._train.targets[rows, chosen]),
            )

    def _for_trials(self, by_seed: Tensor) -> Tensor:
        """Turn (S, …) into (K, …): each trial sees its seed's."""
        if len(self._seeds) == 1:
            return by_seed.expand(len(self._order), *by_seed.shape[1:])
        return by_seed[self._row_of]

    def step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Take one optimizer step on one batch; returns the loss of each trial, (K,), detached."""
        budget = self.pack.budget
        if budget.schedule is not LearningRateSchedule.CONSTANT or self._step == 0:
            factor = learning_rate_factor(budget.schedule, self._step, self.steps)
            for optimizer in self._optimizers:
                optimizer.set_factor(factor)
        for optimizer in self._optimizers:
            optimizer.decay()
        losses: Tensor = self._losses(self._parameters, inputs, targets)
        gradients = torch.autograd.grad(losses.sum(), list(self._parameters.values()))
        named = dict(zip(self._parameters, gradients, strict=True))
        for optimizer in self._optimizers:
            optimizer.step(named)
        self._step += 1
        losses = losses.detach()
        if self._first_loss is None:
            self._first_loss = losses
        return losses

    def train_epoch(self) -> EpochReport:
        """Train one epoch, then evaluate on validation and test."""
        total = torch.zeros(len(self._order), dtype=self._dtype, device=self._device)
        for inputs, targets in self.batches():
            # A loss that is not finite makes the sum so too: no need to look at every step.
            total += self.step(inputs, targets) * targets.shape[1]
        self.epoch += 1
        columns = [total / len(self._train)]
        for optimizer in self._optimizers:
            optimizer.evaluating(True)
        for split in (self._validation, self._test):
            columns.extend(self._evaluate(split))
        for optimizer in self._optimizers:
            optimizer.evaluating(False)
        return self._report(torch.stack(columns, dim=1))

    @torch.no_grad()
    def _evaluate(self, split: _Data) -> tuple[Tensor, Tensor]:
        """Return the mean loss and score of each trial, (K,) each."""
        loss = torch.zeros(len(self._order), dtype=self._dtype, device=self._device)
        score = torch.zeros_like(loss)
        for start in range(0, len(split), EVALUATION_CHUNK):
            chunk = slice(start, start + EVALUATION_CHUNK)
            targets = self._for_trials(split.targets[:, chunk])
            inputs = self._for_trials(split.inputs[:, chunk])
            losses, scores = self._evaluation(self._parameters, inputs, targets)
            loss += losses * targets.shape[1]
            score += scores * targets.shape[1]
        return loss / len(split), score / len(split)

    def _report(self, values: Tensor) -> EpochReport:
        """Bring (K, len(CURVES)) from the stack's order into the pack's."""
        assert values.shape[1] == len(CURVES)  # noqa: S101 - a mistake of ours, not of a caller
        assert self._first_loss is not None  # noqa: S101
        position = np.argsort(self._order)
        table = values.double().cpu().numpy()[position]
        first = self._first_loss.double().cpu().numpy()[position]
        return EpochReport(
            epoch=self.epoch,
            values=table.astype(np.float32),
            diverged=diverged(
                np.isfinite(table).all(axis=1),
                table[:, 0],
                first,
                epoch=self.epoch,
                last=self.epoch == self.pack.budget.epochs,
            ),
        )


def _loss_of(model: nn.Module, problem: Problem) -> Callable[..., Tensor]:
    def loss(parameters: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        return problem.loss(functional_call(model, parameters, (inputs,)), targets)

    return loss


def _evaluation_of(model: nn.Module, problem: Problem) -> Callable[..., tuple[Tensor, Tensor]]:
    def evaluate(
        parameters: dict[str, Tensor], inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        outputs = functional_call(model, parameters, (inputs,))
        return problem.loss(outputs, targets), problem.score(outputs, targets)

    return evaluate


def train(pack: Pack, device: torch.device | str = "cpu") -> Iterator[EpochReport]:
    """Train a pack to the end of its budget, telling of every epoch.

    A trial that diverges is reported once, in the epoch it did; its slice goes on computing
    without touching the others.
    """
    run = StackedRun(pack, device)
    reported: set[int] = set()
    while run.epoch < pack.budget.epochs and len(reported) < len(pack.trials):
        report = run.train_epoch()
        fresh = {k: reason for k, reason in report.diverged.items() if k not in reported}
        reported |= set(fresh)
        yield EpochReport(report.epoch, report.values, fresh)
