"""The layer table: which layer each parameter belongs to, and whether it decays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lpwd.errors import InvalidHyperparameter, UnknownParameter
from lpwd.layers.numbering import Order, Unit, number_layers, ordered_names, used_before_norm
from lpwd.layers.schedules import LayerSchedule, Matched, layer_factors, named_schedule
from lpwd.slices import Group


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One parameter: its name, its layer's index, and what it is.

    Attributes:
        name: as in `model.named_parameters()`.
        layer: index of the layer, 1 (nearest the input) … n.
        size: number of elements.
        decayed: whether weight decay applies.
        normalised: whether a normalisation comes after it, so that its scale is lost on the
            output; what the corrected rule (AdamC) asks.
    """

    name: str
    layer: int
    size: int
    decayed: bool
    normalised: bool


@dataclass(frozen=True)
class LayerTable:
    """The layers of a model, nearest the input first. `print()` shows it.

    Attributes:
        rows: one a parameter, in layer order.
        layer_count: n, the number of layers.
        unit: what a layer is ("module", "block", "parameter" or "given").
        order: how the layers were put in order ("use", "registration" or "their numbers").
    """

    rows: tuple[LayerRow, ...]
    layer_count: int
    unit: str
    order: str

    def layer_sizes(self) -> list[int]:
        """Return the number of decayed elements of each layer, 1 … n."""
        sizes = [0] * self.layer_count
        for row in self.rows:
            if row.decayed:
                sizes[row.layer - 1] += row.size
        return sizes

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
            At most two groups. Beside `params` each has, parallel to it, `param_names`, `layers`
            and `normalised`, and `layer_count` and `layer_sizes`. The undecayed group has
            `weight_decay` 0.

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
        groups = []
        for decayed in (True, False):
            rows = [row for row in self.rows if row.name in given and row.decayed == decayed]
            if rows:
                group: Group = {
                    "params": [given[row.name] for row in rows],
                    "param_names": [row.name for row in rows],
                    "layers": [row.layer for row in rows],
                    "normalised": [row.normalised for row in rows],
                    "layer_count": self.layer_count,
                    "layer_sizes": self.layer_sizes(),
                }
                groups.append(group if decayed else {**group, "weight_decay": 0.0})
        return groups

    def to_text(self, layer_schedule: LayerSchedule | Matched | str = "linear") -> str:
        """Return the table as text, with the factor that the schedule gives each parameter."""
        schedule = named_schedule(layer_schedule)
        factors = layer_factors(schedule, self.layer_count, self.layer_sizes())
        width = max([len("parameter"), *(len(row.name) for row in self.rows)])
        lines = [
            f"{self.layer_count} layers ({self.unit}), ordered by {self.order}",
            f"{'parameter':<{width}}  {'layer':>7}  factor  {'elements':>10}  decayed",
        ]
        for row in self.rows:
            decayed = "yes" if row.decayed else "no"
            factor = f"{factors[row.layer - 1]:6.3f}" if row.decayed else "     -"
            place = f"{row.layer}/{self.layer_count}"
            lines.append(f"{row.name:<{width}}  {place:>7}  {factor}  {row.size:>10}  {decayed}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.to_text()


def layer_table(
    model: nn.Module,
    *inputs: Any,
    unit: Unit = "module",
    order: Order | None = None,
    layers: Mapping[str, int] | None = None,
    decay_all: bool = False,
    **kwargs: Any,
) -> LayerTable:
    """Give every parameter of `model` its layer, and say which decay.

    A layer is a module that owns a decayed parameter; n is their number. The paper does not say
    what a layer is or how layers are ordered; these are our decisions, and each is an option.
    Parameters that do not decay take the layer of their module, or, where that is no layer (a
    normalisation), the layer before them. A tied weight is one parameter, at its first use. Frozen
    parameters keep their place, so that freezing some changes nothing for the others.

    Args:
        model: any module, before it is wrapped (DDP, FSDP, `torch.compile`).
        inputs: arguments of one forward pass, such as one small batch; `kwargs` likewise.
        unit: "module"; "block", the repeated units of a network (by timm's `group_matcher` where
            the model has one); or "parameter", where each decayed parameter is a layer.
        order: "use" runs `model(*inputs, **kwargs)` once, without side effects on the model, and
            orders by first use; parameters never used come last. "registration" takes the order
            of `named_parameters()`. By default "use" where inputs are given.
        layers: the layer of every parameter by name, instead of all that: any integers, smallest
            nearest the input; they are renumbered 1 … n.
        decay_all: decay every parameter; by default only those of two or more dimensions, not
            biases and normalisation.

    Raises:
        InvalidHyperparameter: the model has no parameters, or an option is unknown.
        UnknownParameter: `layers` misses a parameter, or names one that the model has not.
    """
    names, by = ordered_names(model, inputs, kwargs, order)
    parameters = dict(model.named_parameters())
    decayed = {name: decay_all or parameters[name].ndim >= 2 for name in names}
    numbers = number_layers(model, names, decayed, unit, layers)
    normalised = used_before_norm(model, names)
    rows = [
        LayerRow(name, numbers[name], parameters[name].numel(), decayed[name], normalised[name])
        for name in names
    ]
    rows.sort(key=lambda row: row.layer)
    given = layers is not None
    return LayerTable(
        tuple(rows),
        max(numbers.values()),
        "given" if given else unit,
        "their numbers" if given else by,
    )


def layer_groups(
    model: nn.Module,
    *inputs: Any,
    unit: Unit = "module",
    order: Order | None = None,
    layers: Mapping[str, int] | None = None,
    decay_all: bool = False,
    **kwargs: Any,
) -> list[Group]:
    """Return `model`'s parameter groups with their layers, for `LPWD` or any other optimizer.

    The shortcut for `layer_table(model, *inputs, …).groups(model.named_parameters())`; the
    arguments are those of `layer_table`.
    """
    table = layer_table(
        model, *inputs, unit=unit, order=order, layers=layers, decay_all=decay_all, **kwargs
    )
    return table.groups(model.named_parameters())
