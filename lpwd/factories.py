"""The factories that the built-in catalogue entries name."""

from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from lpwd.family import Params
from lpwd.layers.schedules import Power, Shuffled
from lpwd.optimizers import SGD, Adam
from lpwd.rules import RULES, DecayRule


def sgd(groups: Params, *, lr: float | Tensor, weight_decay: float | Tensor, **options: Any) -> SGD:
    """Build SGD; `options` are those of `lpwd.SGD`, of its rule and of its layer schedule."""
    return SGD(groups, lr, weight_decay=weight_decay, **_with_objects(options))


def adam(
    groups: Params,
    *,
    lr: float | Tensor,
    weight_decay: float | Tensor,
    beta1: float,
    beta2: float,
    **options: Any,
) -> Adam:
    """Build Adam; `options` are those of `lpwd.Adam`, of its rule and of its layer schedule."""
    betas = (beta1, beta2)
    return Adam(groups, lr, betas, weight_decay=weight_decay, **_with_objects(options))


def _with_objects(options: dict[str, Any]) -> dict[str, Any]:
    """Replace the names of rule and schedule by objects, with the options that are theirs."""
    options = dict(options)
    rule: type[DecayRule] = RULES[options.pop("rule")]
    own: list[str] = [field.name for field in fields(rule)] if is_dataclass(rule) else []
    options["rule"] = rule(**{name: options.pop(name) for name in own if name in options})
    if options.get("layer_schedule") == "power":
        options["layer_schedule"] = Power(options.pop("power"))
    if options.get("layer_schedule") == "shuffled":
        options["layer_schedule"] = Shuffled(options.pop("shuffle_seed"))
    return options
