"""Rates as the optimizers see them: one number, one a parameter, or one a stacked model.

A rate is a learning rate η, a decay rate λ, or a product of the two. In a parameter group it is a
float, a tensor of no dimension, or a tensor of shape (K,) with one value for each of the K models
that are stacked along the leading axis of every parameter. `spread` turns it into one of three
forms that the `torch._foreach_*` functions take beside a list of tensors, and the rest of this
module does arithmetic on those forms. Nothing here reads a tensor's value, so nothing here waits
for a GPU.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lpwd.errors import InvalidHyperparameter

Spread = float | list[float] | list[Tensor]


def spread(
    value: float | Tensor, tensors: Sequence[Tensor], factors: Sequence[float] | None = None
) -> Spread:
    """Give each tensor its rate: `value`, times the tensor's factor where there are factors.

    Args:
        value: a float, a tensor of one element, or a tensor of shape (K,).
        tensors: the parameters; for a (K,) value each has K as its leading axis.
        factors: one multiplier a tensor.

    Returns:
        A float where one serves all, a list of floats where factors differ, or a list of tensors
        that broadcast against `tensors`. Tensors are at least float32, so that 1 − ηλ survives
        in a bfloat16 model.
    """
    if (
        isinstance(value, Tensor)
        and value.ndim == 0
        and value.is_cpu
        and not torch.compiler.is_compiling()
    ):
        # Memory of the CPU is read without waiting, and a float is what PyTorch computes with.
        value = float(value)
    if not isinstance(value, Tensor):
        return value if factors is None else [value * factor for factor in factors]
    cache: dict[object, Tensor] = {}
    result = []
    for index, tensor in enumerate(tensors):
        factor = 1.0 if factors is None else factors[index]
        key = (tensor.ndim, tensor.dtype, tensor.device, factor)
        if key not in cache:
            cache[key] = _shaped(value, tensor) * factor
        result.append(cache[key])
    return result


def complement(rate: Spread) -> Spread:
    """Return 1 − rate, in the same form."""
    return _each(rate, lambda one: 1 - one)


def times(rate: Spread, number: float) -> Spread:
    """Return rate × number, in the same form."""
    return _each(rate, lambda one: one * number)


def quotient(rate: Spread) -> Spread:
    """Return 1 / (1 + rate), in the same form."""
    return _each(rate, lambda one: 1 / (1 + one))


def _each(rate: Spread, of: Callable[[Any], Any]) -> Spread:
    """Compute with one rate, or with each of many; layers share tensors, so each of those once."""
    if isinstance(rate, float | int):
        number: float = of(rate)
        return number
    done: dict[int, Tensor] = {}
    result: list[Any] = []
    for one in rate:
        if not isinstance(one, Tensor):
            result.append(of(one))
            continue
        if id(one) not in done:
            done[id(one)] = of(one)
        result.append(done[id(one)])
    return result


def scale_(tensors: list[Tensor], rate: Spread) -> None:
    """Multiply each tensor by its rate, in place."""
    if tensors:
        torch._foreach_mul_(tensors, rate)


def scaled(tensors: list[Tensor], rate: Spread) -> list[Tensor]:
    """Return each tensor times its rate."""
    return list(torch._foreach_mul(tensors, rate))


def subtract_scaled_(tensors: list[Tensor], others: list[Tensor], rate: Spread) -> None:
    """Subtract rate × other from each tensor, in place."""
    if isinstance(rate, float | int):
        torch._foreach_add_(tensors, others, alpha=-rate)
    else:
        torch._foreach_sub_(tensors, scaled(others, rate))


def plus_scaled(tensors: list[Tensor], others: list[Tensor], rate: Spread) -> list[Tensor]:
    """Return each tensor plus rate × other, leaving both as they were."""
    if isinstance(rate, float | int):
        return list(torch._foreach_add(tensors, others, alpha=rate))
    return list(torch._foreach_add(tensors, scaled(others, rate)))


def check_rate(name: str, rate: object, params: Sequence[Tensor]) -> None:
    """Check a group's `lr` or `weight_decay` against its parameters, once, as the group joins.

    Raises:
        InvalidHyperparameter: it is no rate, negative, not finite, or of a shape (K,) that does
            not fit every parameter's leading axis.
    """
    if isinstance(rate, Tensor):
        if not bool(torch.all(torch.isfinite(rate) & (rate >= 0.0))):
            raise InvalidHyperparameter(f"{name} must be finite and >= 0, not {rate!r}")
        for param in params:
            if rate.numel() != 1 and (rate.ndim != 1 or param.shape[:1] != rate.shape):
                raise InvalidHyperparameter(
                    f"{name} of shape {tuple(rate.shape)} needs parameters that stack as many "
                    f"models along their leading axis, not one of shape {tuple(param.shape)}"
                )
    elif isinstance(rate, bool) or not isinstance(rate, float | int):
        raise InvalidHyperparameter(f"{name} must be a float or a (K,) tensor, not {rate!r}")
    elif not (math.isfinite(rate) and rate >= 0.0):
        raise InvalidHyperparameter(f"{name} must be finite and >= 0, not {rate!r}")


def _shaped(value: Tensor, tensor: Tensor) -> Tensor:
    """View a one-element or (K,) tensor so that it broadcasts along the leading axis of `tensor`.

    A tensor of one element serves every model, whatever its shape.
    """
    dtype = torch.promote_types(tensor.dtype, torch.float32)
    if dtype.is_complex:
        dtype = dtype.to_real()
    value = value.to(dtype=dtype)
    if value.numel() == 1:
        return value.reshape(())
    return value.reshape(-1, *([1] * (tensor.ndim - 1)))
