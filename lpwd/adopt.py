"""Going on from another optimizer's checkpoint, however its parameters were grouped."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from lpwd.errors import UnknownParameter


def adopt_state(
    optimizer: Optimizer, state_dict: Mapping[str, Any], model: nn.Module | None = None
) -> None:
    """Give `optimizer` the moments and step counts of another optimizer on the same model.

    For example, to go on with LPWD from a checkpoint of `torch.optim.AdamW(model.parameters())`,
    whose one group does not match the two of `layer_groups`. Rates and all other settings of
    `optimizer` stay as they are. (Where the groups do match, `load_state_dict` loads both.)

    Args:
        optimizer: made of `layer_groups`, or of named parameters.
        state_dict: the other optimizer's `state_dict()`.
        model: whose `parameters()` the other optimizer was given, in that order; needed where its
            state dict holds no names.

    Raises:
        UnknownParameter: names are missing on either side, or do not cover each other.
    """
    ours = _names(optimizer.state_dict())
    theirs = _names(state_dict)
    if theirs is None and model is not None:
        theirs = [name for name, _ in model.named_parameters()]
    if ours is None or theirs is None:
        side, way = ("this optimizer", "make it of layer_groups(model)")
        if ours is not None:
            side, way = ("the state dict", "pass the model whose parameters() it was made of")
        raise UnknownParameter(f"{side} does not name its parameters; {way}")
    places = {name: index for index, name in enumerate(theirs)}
    missing = [name for name in ours if name not in places]
    if missing:
        raise UnknownParameter(
            f"the state dict knows nothing of {missing[0]!r}; it is of another model"
        )
    state = {
        index: copy.deepcopy(state_dict["state"][places[name]])  # loading would share the tensors
        for index, name in enumerate(ours)
        if places[name] in state_dict["state"]
    }
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _names(state_dict: Mapping[str, Any]) -> Sequence[str] | None:
    """Return the names in the order in which a state dict numbers its parameters."""
    named: dict[int, str] = {}
    for group in state_dict["param_groups"]:
        if "param_names" not in group:
            return None
        named.update(zip(group["params"], group["param_names"], strict=True))
    return [named[index] for index in sorted(named)]
