"""What one decay step does to a model's answers: the paper's inter-layer connectivity."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lpwd.optimizer import DecayedOptimizer
from lpwd.rates import complement, scale_
from lpwd.slices import decays


@dataclass(frozen=True, slots=True)
class DecayEffect:
    """A probe batch seen just before and just after one decay step, without an update.

    Attributes:
        before: the metric with the present weights.
        after: the metric with the decayed weights.
        output_change: ‖after − before‖ / ‖before‖ of the output of each module that owns a
            decayed parameter, by the module's name.
    """

    before: float
    after: float
    output_change: dict[str, float]


@torch.no_grad()
def decay_effect(
    model: nn.Module,
    optimizer: DecayedOptimizer,
    inputs: tuple[Any, ...],
    metric: Callable[[Any], float],
) -> DecayEffect:
    """Compare the model's answers to a probe batch before and after one decay step.

    The step multiplies each decayed weight by 1 − k with the optimizer's present rates. The model
    is evaluated in evaluation mode; its weights, modes and the optimizer are put back, to the bit.

    Args:
        model: whose parameters the optimizer has.
        optimizer: any of the library's own.
        inputs: arguments of the forward pass.
        metric: model output → a number, such as the accuracy against the batch's labels.
    """
    owners = _owners(model, optimizer)
    with _evaluating(model):
        before, outputs = _answer(model, owners, inputs)
        with _decayed(optimizer):
            after, changed = _answer(model, owners, inputs)
    change = {
        name: float((changed[name] - outputs[name]).norm() / outputs[name].norm())
        for name in outputs
        if name in changed
    }
    return DecayEffect(metric(before), metric(after), change)


def _owners(model: nn.Module, optimizer: DecayedOptimizer) -> dict[str, nn.Module]:
    decayed = {id(p) for group in optimizer.param_groups if decays(group) for p in group["params"]}
    return {
        name: module
        for name, module in model.named_modules()
        if any(id(param) in decayed for param in module.parameters(recurse=False))
    }


def _answer(
    model: nn.Module, owners: dict[str, nn.Module], inputs: tuple[Any, ...]
) -> tuple[Any, dict[str, Tensor]]:
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG001 - a hook's
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, Tensor):
                outputs[name] = first.detach().clone()

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in owners.items()]
    try:
        return model(*inputs), outputs
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _decayed(optimizer: DecayedOptimizer) -> Iterator[None]:
    """Hold the weights decayed by one step's factor."""
    kept: list[tuple[Tensor, Tensor]] = []
    try:
        for part in optimizer.decayed_slices():
            kept.extend((param, param.clone()) for param in part.params)
            scale_(part.params, complement(part.decay_factor()))
        yield
    finally:
        for param, value in kept:
            param.copy_(value)
