"""Numbering the layers: which parameters make one layer, and in which order layers come."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import nn

from lpwd.errors import InvalidHyperparameter, UnknownParameter
from lpwd.layers.blocks import block_names, timm_layers
from lpwd.layers.order import use_order

Unit = Literal["module", "block", "parameter"]
Order = Literal["use", "registration"]


def ordered_names(
    model: nn.Module, inputs: tuple[Any, ...], kwargs: Mapping[str, Any], order: Order | None
) -> tuple[list[str], Order]:
    """Return the names of the model's parameters, nearest the input first, and by what order.

    Raises:
        InvalidHyperparameter: there are none, or `order` is unknown.
    """
    if order is None:
        order = "use" if inputs or kwargs else "registration"
    if order not in ("use", "registration"):
        raise InvalidHyperparameter(f"order must be 'use' or 'registration', not {order!r}")
    if order == "use":
        names = use_order(model, inputs, kwargs)
    else:
        names = [name for name, _ in model.named_parameters()]
    if not names:
        raise InvalidHyperparameter("the model has no parameters, so it has no layers")
    return names, order


def number_layers(
    model: nn.Module,
    names: Sequence[str],
    decayed: Mapping[str, bool],
    unit: Unit,
    given: Mapping[str, int] | None,
) -> dict[str, int]:
    """Return the layer 1 … n of each parameter.

    A parameter outside any layer takes that of the parameter before it; where nothing decays, all
    are in one layer.

    Raises:
        InvalidHyperparameter: the unit is unknown.
        UnknownParameter: the given layers and the model's parameters are not the same.
    """
    if unit not in ("module", "block", "parameter"):
        raise InvalidHyperparameter(f"unit must be 'module', 'block' or 'parameter', not {unit!r}")
    if given is None and unit == "block" and hasattr(model, "group_matcher"):
        given = timm_layers(model)
    if given is not None:
        return _renumbered(names, decayed, given)
    if unit == "block":
        owners = block_names(model, names)
    elif unit == "parameter":
        owners = {name: name for name in names}
    else:
        owners = {name: name.rpartition(".")[0] for name in names}
    numbers: dict[str, int] = {}
    for name in names:
        if decayed[name]:
            numbers.setdefault(owners[name], len(numbers) + 1)
    layers = {}
    last = 1
    for name in names:
        last = numbers.get(owners[name], last)
        layers[name] = last
    return layers


def used_before_norm(model: nn.Module, names: Sequence[str]) -> dict[str, bool]:
    """Say of each parameter whether some normalisation is used after it.

    A normalisation is a module with "norm" in the name of its class, whoever wrote it.
    """
    is_norm = {
        name: "norm" in type(module).__name__.lower() for name, module in model.named_modules()
    }
    last = -1
    for place, name in enumerate(names):
        if is_norm[name.rpartition(".")[0]]:
            last = place
    return {name: place < last for place, name in enumerate(names)}


def _renumbered(
    names: Sequence[str], decayed: Mapping[str, bool], given: Mapping[str, int]
) -> dict[str, int]:
    missing = [name for name in names if name not in given]
    if missing:
        raise UnknownParameter(f"the given layers miss {missing[0]!r}; give every parameter one")
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise UnknownParameter(f"the given layers name {unknown[0]!r}, which the model has not")
    # Only layers that decay count in n; the others fall to the one before them.
    used = sorted({given[name] for name in names if decayed[name]}) or [0]
    return {name: max(1, sum(layer <= given[name] for layer in used)) for name in names}
