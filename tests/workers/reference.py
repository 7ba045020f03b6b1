"""One trial, trained as anyone would write it: an ordinary model, an ordinary loop.

What stacked training is measured against.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

import lpwd
from workers import tasks
from workers.contracts import TrialSpec
from workers.training.schedule import learning_rate_factor
from workers.training.seeds import Stream, batch_order, generator, initial_model, load_splits
from workers.training.stacked import Noise, NoiseSite, Stacking


def step_losses(trial: TrialSpec, epochs: int) -> Iterator[float]:
    """Yield the loss of every step."""
    problem = tasks.get(trial.task).load()
    dtype = getattr(torch, trial.budget.numerics.precision)
    inputs, targets = (torch.from_numpy(part) for part in load_splits(problem, trial.seed).train)
    prepare = problem.prepare or (lambda batch: batch)
    augment = problem.augment or (lambda batch, _: batch)

    def batch_of(chosen: Tensor, step: int) -> Tensor:
        chance = generator(trial.seed, Stream.AUGMENTATION, step)
        found = prepare(augment(inputs[chosen], chance))
        return found.to(dtype) if found.is_floating_point() else found

    model = initial_model(problem, trial.seed).to(dtype)
    optimizer = lpwd.build(
        trial.optimizer,
        lpwd.layer_groups(model, batch_of(torch.arange(2), 0)),
        lr=trial.learning_rate,
        weight_decay=trial.weight_decay,
        **trial.hyperparameters,
    )
    batch = trial.budget.batch_size
    steps = trial.budget.epochs * -(-len(targets) // batch)
    step = 0
    for epoch in range(epochs):
        order = batch_order([trial.seed], epoch, len(targets))[0]
        for chosen in order.split(batch):
            for group in optimizer.param_groups:
                group["lr"] = trial.learning_rate * learning_rate_factor(
                    trial.budget.schedule, step, steps
                )
            with Stacking(Drawn(generator(trial.seed, Stream.NOISE, step)), lifted=False):
                x = batch_of(chosen, step)
                loss = _step(model, optimizer, problem.loss, x, targets[chosen])
            step += 1
            yield float(loss)


class Drawn(Noise):
    """Noise drawn from one generator as the model asks for it."""

    def __init__(self, chance: torch.Generator) -> None:
        super().__init__(())
        self._chance = chance

    def _next(self, shape: tuple[int, ...], keep: float, like: Tensor) -> Tensor:
        return NoiseSite(shape, keep).draw(self._chance).to(like.dtype)


def _step(model, optimizer, loss_of, x: Tensor, y: Tensor) -> Tensor:
    optimizer.decay()
    loss = loss_of(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()
