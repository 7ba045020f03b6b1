"""What a compiled program would compute anew for every vector, though it is the same for all."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from workers.training.nodes import is_view

FEW = 1024
"""Elements, at most, of what is held: numbers of trials or channels."""
MANY = 4096
"""Elements of what is computed with them, at least: for fewer, a tensor more costs more."""
TIMES = 16
"""How often each of the few is needed, at least: as long as a vector may be."""


def hold(module: GraphModule) -> None:
    """Have TorchInductor keep in memory the few numbers that many elements are computed with.

    It fuses by computing again: of Adam's bias correction, two `expm1`, a root and a division for
    every vector of every weight, in the innermost loop, whence no C++ compiler moves them since
    weights might lie where the count does. On a GPU nobody waits for that.

    Args:
        module: What TorchInductor is about to lower, without views that are written to; changed in
            place.
    """
    for node in list(module.graph.nodes):
        few = _elements(node)
        if not 0 < few <= FEW or not _computed_on_cpu(node):
            continue
        if any(_elements(user) >= max(MANY, TIMES * few) for user in _users(node)):
            with module.graph.inserting_after(node):
                # TorchInductor's own, made for its tests: a private name (ADR 25).
                kept = module.graph.call_function(torch.ops._inductor_test.realize.default, (node,))
            kept.meta = dict(node.meta)
            node.replace_all_uses_with(
                kept, delete_user_cb=lambda user, kept=kept: user is not kept
            )
    module.recompile()


def _computed_on_cpu(node: Node) -> bool:
    value = node.meta.get("val")
    return (
        node.op == "call_function"
        and isinstance(value, Tensor)
        and value.device.type == "cpu"
        and value.is_floating_point()
        and not is_view(node)
    )


def _users(node: Node) -> Iterator[Node]:
    """Yield the nodes that compute with a node's value, or with a view of it."""
    for user in node.users:
        if is_view(user):
            yield from _users(user)
        else:
            yield user


def _elements(node: Node) -> int:
    """Return how many elements a node's largest tensor has."""
    value: Any = node.meta.get("val")
    values = value if isinstance(value, list | tuple) else [value]
    return max((math.prod(one.shape) for one in values if isinstance(one, Tensor)), default=0)
