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
from workers.training.seeds import batch_order, initial_model, load_splits


def step_losses(trial: TrialSpec, epochs: int) -> Iterator[float]:
    """Yield the loss of every step."""
    problem = tasks.get(trial.task).load()
    dtype = getattr(torch, trial.budget.numerics.precision)
    inputs, targets = load_splits(problem, trial.seed).train
    x, y = torch.from_numpy(inputs).to(dtype), torch.from_numpy(targets)
    model = initial_model(problem, trial.seed).to(dtype)
    optimizer = lpwd.build(
        trial.optimizer,
        lpwd.layer_groups(model, x[:2]),
        lr=trial.learning_rate,
        weight_decay=trial.weight_decay,
        **trial.hyperparameters,
    )
    batch = trial.budget.batch_size
    steps = trial.budget.epochs * -(-len(y) // batch)
    step = 0
    for epoch in range(epochs):
        order = batch_order([trial.seed], epoch, len(y))[0]
        for chosen in order.split(batch):
            for group in optimizer.param_groups:
                group["lr"] = trial.learning_rate * learning_rate_factor(
                    trial.budget.schedule, step, steps
                )
            loss = _step(model, optimizer, problem.loss, x[chosen], y[chosen])
            step += 1
            yield float(loss)


def _step(model, optimizer, loss_of, x: Tensor, y: Tensor) -> Tensor:
    optimizer.decay()
    loss = loss_of(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()
