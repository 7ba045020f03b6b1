"""Blocks: the repeated units of a network, such as a residual block or a transformer layer."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

CONTAINERS = (nn.Sequential, nn.ModuleList)


def block_names(model: nn.Module, names: Sequence[str]) -> dict[str, str]:
    """Return the name of the block that each parameter belongs to.

    A block is the outermost module that is neither a plain `Sequential` or `ModuleList` nor holds
    a row of blocks itself, where a row is a container with two or more children of one class that
    have modules of their own. A parameter outside any block belongs to its own module.
    """
    rows = _holders_of_rows(model)
    blocks = {}
    for name in names:
        parts = name.split(".")
        module: nn.Module = model
        depth = 0
        while depth < len(parts) - 1 and (
            depth == 0 or type(module) in CONTAINERS or module in rows
        ):
            module = module.get_submodule(parts[depth])
            depth += 1
        blocks[name] = ".".join(parts[:depth])
    return blocks


def _holders_of_rows(model: nn.Module) -> set[nn.Module]:
    """Return every module with a row of blocks somewhere inside."""
    holders: set[nn.Module] = set()
    for module in model.modules():
        if any(_is_row(inner) for inner in module.modules()):
            holders.add(module)
    return holders


def _is_row(module: nn.Module) -> bool:
    if type(module) not in CONTAINERS:
        return False
    classes = [type(child) for child in module.children() if list(child.children())]
    return any(classes.count(one) >= 2 and one not in CONTAINERS for one in classes)


def timm_layers(model: Any) -> Mapping[str, int]:
    """Return the layer of each parameter by the model's own matcher, as timm's models have it."""
    from timm.models import group_parameters  # timm is optional; only its models come here

    layers: Mapping[str, int] = group_parameters(
        model, model.group_matcher(coarse=False), reverse=True
    )
    return layers
