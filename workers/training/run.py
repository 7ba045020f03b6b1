"""Train a pack: all its trials in one batched computation.

The model is written once, for one trial. `torch.func.functional_call` under `torch.vmap` turns it
into a model of K sets of weights; one forward and one backward pass serve all of them. What that
amounts to is traced once, and then run as a list of kernels.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workers import tasks
from workers.contracts import CURVES, EpochReport, LearningRateSchedule, Pack
from workers.training.blueprint import blueprint
from workers.training.data import PackData, SeedData, Split, seed_data
from workers.training.divergence import diverged
from workers.training.programs import PackPrograms
from workers.training.schedule import learning_rate_factor
from workers.training.seeds import initial_model
from workers.training.slices import Member, OptimizerSlice, members
from workers.training.stack import Models, stack_of
from workers.training.whole_step import WholeStep, whole_step

EVALUATED_AT_ONCE = 256
"""Examples evaluated at once, for each trial, unless batches are larger: bounds the activations."""


class StackedRun:
    """K trials in training. `train_epoch` moves all of them on by one epoch.

    Attributes:
        pack: What is trained.
        epoch: Epochs trained so far.
    """

    def __init__(self, pack: Pack, device: torch.device | str = "cpu") -> None:
        """Load the data, initialise the models, build the optimizers."""
        self.pack = pack
        self.epoch = 0
        self.device = torch.device(device)
        self._dtype: torch.dtype = getattr(torch, pack.budget.numerics.precision)
        self._seeds = sorted({trial.seed for trial in pack.trials})
        task, version = pack.task, pack.trials[0].task_version
        problem = tasks.get(task).load()
        data = [seed_data(task, version, s, self._dtype, self.device) for s in self._seeds]
        self._data = PackData(problem, self._seeds, data, self._dtype)
        inputs, _ = next(self.batches())
        self._blueprint = blueprint(task, version, self._dtype, self.device, inputs[0])
        self._programs = PackPrograms(pack, self._blueprint, self.device, self._seeds)
        self._step = 0

        groups = members(pack.trials)
        models = [initial_model(problem, seed).to(self._dtype) for seed in self._seeds]
        rows = self._rows([position for member in groups for position in member.positions])
        names = [name for name, _ in models[0].named_parameters()]
        last = pack.budget.numerics.channels_last
        parameters = stack_of(models, names, rows, channels_last=last)
        moving = stack_of(models, self._blueprint.moving, rows, channels_last=False)
        self._assemble(groups, Models(parameters, moving, self._blueprint.fixed), None, None)

    def _assemble(
        self,
        groups: Sequence[Member],
        models: Models,
        first_loss: Tensor | None,
        states: Sequence[Mapping[str, Any]] | None,
    ) -> None:
        """Take over K models: new ones, those of a checkpoint, or those that are left.

        Args:
            groups: The optimizers with the positions of their trials in the pack, in the order
                of the models.
            models: K of them.
            first_loss: (K,) loss of the very first batch, where it was trained already.
            states: State of each optimizer; None for new ones.
        """
        self._groups = groups
        self._order = [position for member in groups for position in member.positions]
        """Of each model of the stack, where its trial stands in the pack."""
        self._row_of = self._rows(self._order)
        self._models = models
        self._first_loss = first_loss
        self._optimizers = self._build(groups)
        if states is not None:
            for optimizer, state in zip(self._optimizers, states, strict=True):
                optimizer.load_state(state)
        self._whole_steps: dict[int, WholeStep | None] = {}
        """By the size of the batch."""

    def _build(self, groups: Sequence[Member]) -> list[OptimizerSlice]:
        optimizers = []
        start = 0
        for member in groups:
            trials = [self.pack.trials[position] for position in member.positions]
            optimizers.append(
                OptimizerSlice(
                    member,
                    start,
                    self._models.parameters,
                    self._blueprint.table,
                    self._tensor([trial.learning_rate for trial in trials]),
                    self._tensor([trial.weight_decay for trial in trials]),
                    self._programs,
                )
            )
            start += len(trials)
        return optimizers

    def _rows(self, order: Sequence[int]) -> Tensor:
        rows = [self._seeds.index(self.pack.trials[position].seed) for position in order]
        return torch.tensor(rows, device=self.device)

    def _tensor(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=self._dtype, device=self.device)

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole budget."""
        return self.pack.budget.epochs * -(-self._data.examples // self.pack.budget.batch_size)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the coming epoch's batches: inputs (S, b, …) and targets (S, b, …), a row a seed.

        The last batch of an epoch is smaller when the batch size does not divide the examples.
        """
        return self._data.batches(self.epoch, self.pack.budget.batch_size)

    def step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Take one optimizer step on one batch; returns the loss of each model, (K,)."""
        schedule = self.pack.budget.schedule
        if schedule is not LearningRateSchedule.CONSTANT:
            factor = learning_rate_factor(schedule, self._step, self.steps)
            for optimizer in self._optimizers:
                optimizer.set_factor(factor)
        batch = self._programs.batch(self._row_of, inputs, targets, self._step)
        whole = self._whole_step(batch)
        losses = self._step_by_step(batch) if whole is None else whole(batch)
        self._step += 1
        if self._first_loss is None:
            self._first_loss = losses.clone()
        return losses

    def _whole_step(self, batch: Sequence[Tensor]) -> WholeStep | None:
        """Return the step as one program, once optimizers have a state; None where it is none."""
        if not self._begun:
            return None
        examples = batch[1].shape[1]
        if examples not in self._whole_steps:
            self._whole_steps[examples] = whole_step(
                self._models, self._optimizers, batch, self._programs
            )
        return self._whole_steps[examples]

    def _step_by_step(self, batch: Sequence[Tensor]) -> Tensor:
        for optimizer in self._optimizers:
            optimizer.decay()
        losses, gradients = self._programs.gradients(self._models, batch, compiled=self._begun)
        for optimizer in self._optimizers:
            optimizer.step(gradients)
        return losses

    @property
    def _begun(self) -> bool:
        return self._step > 0

    def train_epoch(self) -> EpochReport:
        """Train one epoch, then evaluate on validation and test."""
        total = torch.zeros(len(self._order), dtype=self._dtype, device=self.device)
        for inputs, targets in self.batches():
            # A loss that is not finite makes the sum so too: no need to look at every step.
            total += self.step(inputs, targets) * targets.shape[1]
        self.epoch += 1
        columns = [total / self._data.examples]
        for optimizer in self._optimizers:
            optimizer.evaluating(True)
        columns.extend(self.evaluate(lambda data: data.validation))
        columns.extend(self.evaluate(lambda data: data.test))
        for optimizer in self._optimizers:
            optimizer.evaluating(False)
        return self._report(torch.stack(columns, dim=1))

    def evaluate(self, split: Callable[[SeedData], Split]) -> tuple[Tensor, Tensor]:
        """Return the mean loss and score of each model on a split, (K,) each."""
        loss = torch.zeros(len(self._order), dtype=self._dtype, device=self.device)
        score = torch.zeros_like(loss)
        examples = 0
        size = max(EVALUATED_AT_ONCE, self.pack.budget.batch_size)
        for inputs, targets in self._data.evaluation(split, size):
            losses, scores = self._programs.scores(self._models, self._row_of, inputs, targets)
            loss += losses * targets.shape[1]
            score += scores * targets.shape[1]
            examples += targets.shape[1]
        return loss / examples, score / examples

    def leave(self, positions: Set[int]) -> None:
        """Take trials out of the stack. Their rows in later reports hold nothing.

        Args:
            positions: Where they stand in the pack; at least one other must stay.
        """
        groups, states = [], []
        stay = [row for row, position in enumerate(self._order) if position not in positions]
        for member, optimizer in zip(self._groups, self._optimizers, strict=True):
            own = [i for i, position in enumerate(member.positions) if position not in positions]
            if own:
                groups.append(member.only(own))
                states.append(optimizer.state(own))
        kept = torch.tensor(stay, device=self.device)
        self._assemble(
            groups,
            self._models.only(kept),
            None if self._first_loss is None else self._first_loss[kept],
            states if self._begun else None,
        )

    def state(self) -> dict[str, Any]:
        """Return all that later numbers depend on: plain containers of tensors and numbers."""
        return {
            "epoch": self.epoch,
            "step": self._step,
            "members": [list(member.positions) for member in self._groups],
            "parameters": self._models.parameters,
            "moving": self._models.moving,
            "first_loss": self._first_loss,
            "optimizers": [optimizer.state() for optimizer in self._optimizers],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken, of a run of the same pack."""
        self.epoch, self._step = state["epoch"], state["step"]
        whole = {p: member for member in members(self.pack.trials) for p in member.positions}
        self._assemble(
            [replace(whole[chosen[0]], positions=tuple(chosen)) for chosen in state["members"]],
            Models(state["parameters"], state["moving"], self._blueprint.fixed),
            state["first_loss"],
            state["optimizers"],
        )

    def _report(self, values: Tensor) -> EpochReport:
        """Bring (K, len(CURVES)) from the stack's order into the pack's."""
        assert values.shape[1] == len(CURVES)  # noqa: S101 - a mistake of ours, not of a caller
        assert self._first_loss is not None  # noqa: S101
        table = np.full((len(self.pack.trials), len(CURVES)), np.nan)
        first = np.full(len(self.pack.trials), np.nan)
        table[self._order] = values.double().cpu().numpy()
        first[self._order] = self._first_loss.double().cpu().numpy()
        gone = np.ones(len(table), dtype=bool)
        gone[self._order] = False
        return EpochReport(
            epoch=self.epoch,
            values=table.astype(np.float32),
            diverged=diverged(
                np.isfinite(table).all(axis=1) | gone,
                table[:, 0],
                first,
                epoch=self.epoch,
                last=self.epoch == self.pack.budget.epochs,
            ),
        )
