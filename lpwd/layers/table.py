"""The layer table: which layer each parameter belongs to, and whether it decays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from lpwd.errors import InvalidHyperparameter, UnknownParameter
from lpwd.layers.order import use_order
from lpwd.slices import Group

Unit = Literal["module", "parameter"]
Order = Literal["use", "registration"]


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One parameter: its name, its layer's index (1 = nearest the input), and what it is.

    Attributes:
        name: as in `model.named_parameters()`.
        layer: index of the layer, 1 … n.
        size: number of elements.
        decayed: whether weight decay applies.
    """

    name: str
    layer: int
    size: int
    decayed: bool


@dataclass(frozen=True)
class LayerTable:
    """The layers of a model, nearest the input first. `print()` shows it.

    Attributes:
        rows: one a parameter, in layer order.
        layer_count: n, the number of layers.
        order: how the layers were put in order ("use" or "registration").
    """

    rows: tuple[LayerRow, ...]
    layer_count: int
    order: str

    def groups(
        self, named_parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]
    ) -> list[Group]:
        """Return parameter groups for any optimizer: what decays, then what does not.

        Args:
            named_parameters: names of this table with their tensors, which may be the model's own
                or stand-ins under the same names, such as K models stacked along a leading axis.
                Which decay, and their layers, come from the table and never from the tensors. It
                may be a part of the model: n stays that of the whole.

        Returns:
            At most two groups. Beside `params` each has, parallel to it, `param_names` and
            `layers`, and `layer_count`. The undecayed group has `weight_decay` 0.

        Raises:
            UnknownParameter: a name is not in the table.
            InvalidHyperparameter: no parameter was given.
        """
        given = dict(named_parameters)
        known = {row.name for row in self.rows}
        for name in given:
            if name not in known:
                raise UnknownParameter(
                    f"{name!r} is not in the layer table, which was made of a model with "
                    f"{', '.join(sorted(known)[:8])}…; make the table of this model"
                )
        if not given:
            raise InvalidHyperparameter("no parameters were given to make groups of")
        chosen = [row for row in self.rows if row.name in given]
        groups = []
        for rows in ([r for r in chosen if r.decayed], [r for r in chosen if not r.decayed]):
            if rows:
                group: Group = {
                    "params": [given[row.name] for row in rows],
                    "param_names": [row.name for row in rows],
                    "layers": [row.layer for row in rows],
                    "layer_count": self.layer_count,
                }
                if not rows[0].decayed:
                    group["weight_decay"] = 0.0
                groups.append(group)
        return groups

    def __str__(self) -> str:
        width = max([len("parameter"), *(len(row.name) for row in self.rows)])
        lines = [
            f"{self.layer_count} layers, in order of {self.order}",
            f"{'parameter':<{width}}  layer  {'elements':>10}  decayed",
        ]
        for row in self.rows:
            decayed = "yes" if row.decayed else "no"
            place = f"{row.layer}/{self.layer_count}"
            lines.append(f"{row.name:<{width}}  {place:>5}  {row.size:>10}  {decayed}")
        return "\n".join(lines)


def layer_table(
    model: nn.Module,
    *inputs: Any,
    unit: Unit = "module",
    order: Order | None = None,
    decay_all: bool = False,
    **kwargs: Any,
) -> LayerTable:
    """Give every parameter of `model` its layer, and say which decay.

    A layer is a module that owns a decayed parameter; n is their number. The paper does not say
    what a layer is or how layers are ordered; these are our decisions, and each is an option.
    Parameters that do not decay take the layer of their module, or, where that is no layer (a
    normalisation), the layer before them.

    Args:
        model: any module.
        inputs: arguments of one forward pass, such as one small batch; `kwargs` likewise.
        unit: "module", or "parameter", which makes every decayed parameter a layer of its own.
        order: "use" runs `model(*inputs, **kwargs)` once, without side effects on the model, and
            orders by first use; parameters never used come last. "registration" takes the order
            of `named_parameters()`. By default "use" where inputs are given.
        decay_all: decay every parameter; by default only those of two or more dimensions, not
            biases and normalisation.

    Raises:
        InvalidHyperparameter: the model has no parameters, or an option is unknown.
    """
    if unit not in ("module", "parameter"):
        raise InvalidHyperparameter(f"unit must be 'module' or 'parameter', not {unit!r}")
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
    parameters = dict(model.named_parameters())
    decayed = {name: decay_all or parameters[name].ndim >= 2 for name in names}
    layers = number_layers(names, decayed, unit)
    rows = [LayerRow(n, layers[n], parameters[n].numel(), decayed[n]) for n in names]
    rows.sort(key=lambda row: row.layer)
    return LayerTable(tuple(rows), max(layers.values()), order)


def number_layers(names: list[str], decayed: Mapping[str, bool], unit: Unit) -> dict[str, int]:
    """Number the layers 1 … n along `names`, and return each parameter's.

    With nothing that decays, all parameters are in one layer.
    """

    def layer_of(name: str) -> str:
        return name if unit == "parameter" else name.rpartition(".")[0]

    numbers: dict[str, int] = {}
    for name in names:
        if decayed[name]:
            numbers.setdefault(layer_of(name), len(numbers) + 1)
    result = {}
    last = 1
    for name in names:
        last = numbers.get(layer_of(name), last)
        result[name] = last
    return result


def layer_groups(
    model: nn.Module,
    *inputs: Any,
    unit: Unit = "module",
    order: Order | None = None,
    decay_all: bool = False,
    **kwargs: Any,
) -> list[Group]:
    """Return `model`'s parameter groups with their layers, for `LPWD` or any other optimizer.

    The shortcut for `layer_table(model, *inputs, …).groups(model.named_parameters())`; the
    arguments are those of `layer_table`.
    """
    table = layer_table(model, *inputs, unit=unit, order=order, decay_all=decay_all, **kwargs)
    return table.groups(model.named_parameters())
