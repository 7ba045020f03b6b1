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

    Gates of the inputs (K, 3h, T, b), weights (K, 3h, h), bias (K, 3h) and first state (K, h, b) to
    states (K, h, T, b). The gates are reset, update and new, in this order. Examples are innermost
    in memory: hidden units may be few, and kernels want long rows.
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, bias: Tensor, first: Tensor) -> Tensor:
        """Go from the first time to the last."""
        size = first.shape[1]
        shift, state = bias.unsqueeze(2), first
        to_open, to_new = (part.unbind(2) for part in torch.split(gates, [2 * size, size], 1))
        kept: tuple[list[Tensor], ...] = ([], [], [], [])
        for opening, coming in zip(to_open, to_new, strict=True):
            own = torch.baddbmm(shift, weight, state)
            own_opening, recalled = torch.split(own, [2 * size, size], 1)
            opened = torch.sigmoid(opening + own_opening)
            reset, update = torch.split(opened, size, 1)
            new = torch.tanh(torch.addcmul(coming, reset, recalled))
            state = torch.lerp(new, state, update)
            for values, value in zip(kept, (state, opened, new, recalled), strict=True):
                values.append(value)
        states, *rest = (torch.stack(values, dim=2) for values in kept)
        ctx.save_for_backward(weight, first, states, *rest)
        return states

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Go from the last time to the first."""
        weight, first, states, opened, new, recalled = ctx.saved_tensors
        count, size, _, batch = states.shape
        before = torch.cat([first.unsqueeze(2), states[:, :, :-1]], dim=2)
        reset, update = torch.split(opened, size, 1)
        # A state's gradient times these is that of each gate. They depend on nothing that comes
        # later, so they are computed for all times at once, and time goes first: each time's share
        # is then one piece of memory.
        of_new = (1 - update) * (1 - new * new)
        of_gates = torch.stack(
            [
                of_new * recalled * reset * (1 - reset),
                (before - new) * update * (1 - update),
                of_new * reset,
            ],
            dim=1,
        )
        factors = of_gates.movedim(3, 0).contiguous().unbind(0)
        stays = update.movedim(2, 0).contiguous().unbind(0)
        back, towards = weight.mT, torch.zeros_like(first)
        totals, gates = [], []
        for given, factor, stay in zip(
            reversed(gradient.unbind(2)), reversed(factors), reversed(stays), strict=True
        ):
            total = given + towards
            own = (total.unsqueeze(1) * factor).view(count, 3 * size, batch)
            towards = torch.baddbmm(total * stay, back, own)
            totals.append(total)
            gates.append(own)
        own = torch.stack(gates[::-1], dim=2)
        by_new = torch.stack(totals[::-1], dim=2) * of_new
        flat = own.flatten(2)
        return (
            torch.cat([own[:, : 2 * size], by_new], dim=1),
            torch.bmm(flat, before.flatten(2).mT),
            flat.sum(2),
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
    seen = inputs.movedim(3, 1).expand(count, -1, -1, -1)
    both = torch.cat([seen, seen.flip(2)]) if directions == 2 else seen
    gates = torch.baddbmm(bias.unsqueeze(2), within, both.flatten(2))
    gates = gates.view(*gates.shape[:2], time, batch)
    start = first.expand(count, -1, -1, -1).permute(1, 0, 3, 2).flatten(0, 1).contiguous()
    states: Tensor = StackedRecurrence.apply(gates, across, shift, start)
    if directions == 2:
        states = torch.cat([states[:count], states[count:].flip(2)], dim=1)
    return states.movedim(1, 3)
