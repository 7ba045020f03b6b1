"""Gated recurrent units of K models, both directions of a layer side by side.

The gates' gradients are written out (backpropagation through time of Cho et al. 2014, in the form
that `torch.nn.GRU` documents), so that a step is a handful of kernels over all models.
"""

from typing import Any

import torch
from torch import Tensor

from workers.training.stacked.lift import autocast, lift


class StackedRecurrence(torch.autograd.Function):
    """The part of a layer that goes through time.

    Gates of the inputs (T, K, b, 3h), weights (K, 3h, h), bias (K, 3h) and first state (K, b, h) to
    states (T, K, b, h). The gates are reset, update and new, in this order.
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, bias: Tensor, first: Tensor) -> Tensor:
        """Go from the first time to the last."""
        size = first.shape[-1]
        across, shift, state = weight.mT, bias.unsqueeze(1), first
        kept: tuple[list[Tensor], ...] = ([], [], [], [])
        for now in gates.unbind():
            own = torch.baddbmm(shift, state, across)
            open_ = torch.sigmoid(now[..., : 2 * size] + own[..., : 2 * size])
            recall = own[..., 2 * size :]
            new = torch.tanh(torch.addcmul(now[..., 2 * size :], open_[..., :size], recall))
            state = torch.lerp(new, state, open_[..., size:])
            for values, value in zip(kept, (state, open_, new, recall), strict=True):
                values.append(value)
        found, *rest = map(torch.stack, kept)
        ctx.save_for_backward(weight, first, found, *rest)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Go from the last time to the first."""
        weight, first, states, opened, proposed, recalled = ctx.saved_tensors
        size = first.shape[-1]
        before = torch.cat([first.unsqueeze(0), states[:-1]])
        reset, update = opened[..., :size], opened[..., size:]
        # What does not depend on the gradient is computed for all times at once.
        of_new = (1 - update) * (1 - proposed * proposed)
        of_update = (before - proposed) * update * (1 - update)
        of_reset = recalled * reset * (1 - reset)
        towards = torch.zeros_like(first)
        through_input, through_state = [], []
        for time in reversed(range(len(gradient))):
            total = gradient[time] + towards
            new = total * of_new[time]
            gates = torch.cat([new * of_reset[time], total * of_update[time]], dim=-1)
            own = torch.cat([gates, new * reset[time]], dim=-1)
            towards = torch.baddbmm(total * update[time], own, weight)
            through_input.append(torch.cat([gates, new], dim=-1))
            through_state.append(own)
        own = torch.stack(through_state[::-1]).transpose(0, 1).flatten(1, 2)
        inputs = before.transpose(0, 1).flatten(1, 2)
        return (
            torch.stack(through_input[::-1]),
            torch.bmm(own.mT, inputs),
            own.sum(1),
            towards,
        )


def gru(inputs: Tensor, first: Tensor, weights: Any, *options: Any) -> tuple[Tensor, Tensor] | None:
    """`torch.gru` under `torch.vmap`.

    Unbatched and packed sequences, layers without bias, and dropout between layers are left to
    `torch.vmap`, which refuses them.
    """
    if not isinstance(weights, list) or len(options) != 6 or inputs.ndim != 3:
        return None
    biased, layers, dropout, training, bidirectional, batch_first = options
    if not biased or (dropout and training and layers > 1):
        return None
    if batch_first:
        inputs = inputs.transpose(0, 1)
    directions = 2 if bidirectional else 1
    last = []
    for layer in range(layers):
        start = layer * directions
        own = weights[4 * start : 4 * (start + directions)]
        states = first[start : start + directions]
        inputs = lift(_layer, inputs, states, *own)
        last.append(inputs[-1, :, : states.shape[-1]])
        if bidirectional:
            last.append(inputs[0, :, states.shape[-1] :])
    outputs = inputs.transpose(0, 1) if batch_first else inputs
    return outputs, torch.stack(last)


def _layer(inputs: Tensor, first: Tensor, *weights: Tensor) -> Tensor:
    """One layer: x (K or 1, T, b, i), states (K or 1, d, b, h) and weights to (K, T, b, d·h)."""
    inputs, first, *own = autocast(inputs, first, *weights)
    count = max(len(inputs), *map(len, own))
    directions = len(own) // 4
    time, batch = inputs.shape[1:3]
    # Models and directions share one axis (d·K): d = 0 is the first direction of all models.
    within, across, bias, shift = (
        torch.cat([part.expand(count, *part.shape[1:]) for part in own[i::4]]) for i in range(4)
    )
    seen = inputs.expand(count, -1, -1, -1)
    both = torch.cat([seen, seen.flip(1)]) if directions == 2 else seen
    flat = both.reshape(directions * count, time * batch, -1)
    gates = torch.baddbmm(bias.unsqueeze(1), flat, within.mT)
    gates = gates.view(directions * count, time, batch, -1).transpose(0, 1)
    start = first.expand(count, -1, -1, -1).transpose(0, 1).reshape(directions * count, batch, -1)
    states: Tensor = StackedRecurrence.apply(gates, across, shift, start.contiguous())
    if directions == 1:
        return states.transpose(0, 1)
    forwards, backwards = states[:, :count], states[:, count:].flip(0)
    return torch.cat([forwards, backwards], dim=-1).transpose(0, 1)
