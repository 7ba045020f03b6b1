"""What a pack needs to know of a task's model, found out once and kept for the next pack."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

import lpwd
from workers import tasks
from workers.errors import NotStackableError
from workers.tasks import Problem
from workers.training.seeds import initial_model
from workers.training.stacked import Noise, NoiseSite, Stacking

EXAMPLES = 2
"""Examples in the forward pass that shows the order of the layers."""


@dataclass
class Blueprint:
    """A model without weights of its own, and what is known of it."""

    problem: Problem
    model: nn.Module
    """Gives its structure only."""
    table: lpwd.LayerTable
    moving: tuple[str, ...]
    """Names of the buffers that training changes: running statistics. Each trial has its own."""
    fixed: Mapping[str, Tensor]
    """All other buffers, shared by all trials."""
    sites: dict[int, tuple[NoiseSite, ...]] = field(default_factory=dict)
    """By batch size, where the model asks for noise in a training step."""

    def noise_sites(self, inputs: Tensor) -> tuple[NoiseSite, ...]:
        """Return where a training step on a batch (b, …) asks for noise."""
        found = self.sites.get(len(inputs))
        if found is None:
            found = self.sites[len(inputs)] = _noise_sites(self.model, inputs)
        return found


_kept: dict[tuple[object, ...], Blueprint] = {}
KEPT = 8
"""Models whose blueprints a process keeps."""


def blueprint(
    task: str, version: int, dtype: torch.dtype, device: torch.device, inputs: Tensor
) -> Blueprint:
    """Return what is known of a task's model, examining it at first.

    Args:
        task: Its name.
        version: Its version.
        dtype: Of the weights.
        device: Where it will train.
        inputs: A batch (b, …) as the model takes it; which one does not matter.
    """
    key = (task, version, dtype, device)
    if key not in _kept:
        while len(_kept) >= KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = _examine(tasks.get(task).load(), dtype, device, inputs)
    return _kept[key]


def _examine(
    problem: Problem, dtype: torch.dtype, device: torch.device, inputs: Tensor
) -> Blueprint:
    model = initial_model(problem, 0).to(device, dtype)
    table = lpwd.layer_table(model, inputs[:EXAMPLES])
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    sites = _noise_sites(model, inputs)
    moving = tuple(n for n, buffer in model.named_buffers() if not buffer.equal(before[n]))
    fixed = {name: buffer for name, buffer in before.items() if name not in moving}
    return Blueprint(problem, model, table, moving, fixed, {len(inputs): sites})


@torch.no_grad()
def _noise_sites(model: nn.Module, inputs: Tensor) -> tuple[NoiseSite, ...]:
    """Note where the model asks for noise.

    Raises:
        NotStackableError: It draws random numbers that no seed of ours fixes.
    """
    noise = Noise(None)
    before = torch.get_rng_state()
    with Stacking(noise, lifted=False):
        model(inputs)
    if not torch.equal(before, torch.get_rng_state()):
        torch.set_rng_state(before)
        raise NotStackableError(
            f"{type(model).__name__} draws random numbers of its own while it trains: use "
            "torch.nn.functional.dropout or Tensor.bernoulli_, whose noise the trial's seed fixes"
        )
    return tuple(noise.sites)
