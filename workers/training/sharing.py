"""What a traced program would compute twice."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import GraphModule, Node

from workers.training.nodes import is_pure, is_view, memory_of, touched, written_by

aten = torch.ops.aten
ONE_BY_ONE: dict[Any, Any] = {
    aten._foreach_add_.Tensor: aten.add_.Tensor,
    aten._foreach_add_.Scalar: aten.add_.Scalar,
    aten._foreach_mul.Scalar: aten.mul.Scalar,
    aten._foreach_expm1.default: aten.expm1.default,
    aten._foreach_neg.default: aten.neg.default,
}
"""Operators on lists whose single steps are worth sharing: those on counts."""


class NotInStepError(Exception):
    """Tensors that were to change alike do not."""


def share(module: GraphModule) -> None:
    """Compute once what several nodes compute from the same values."""
    leave = touched(module)
    changes: Counter[Node] = Counter()
    seen: dict[Hashable, Node] = {}
    for node in module.graph.nodes:
        if is_pure(node) and (is_view(node) or memory_of(node) not in leave):
            key = _key(node, changes)
            first = seen.setdefault(key, node)
            if first is not node:
                node.replace_all_uses_with(first)
        changes.update(memory_of(one) for one in written_by(node))


def _key(node: Node, changes: Counter[Node]) -> Hashable:
    """Say what a node computes: its operator, and its arguments as they are by now."""

    def of(value: Any) -> Hashable:
        if isinstance(value, Node):
            return value, changes[memory_of(value)]
        if isinstance(value, list | tuple):
            return tuple(of(one) for one in value)
        return type(value), repr(value)

    return node.target, of(node.args), tuple((k, of(v)) for k, v in sorted(node.kwargs.items()))


def in_step(module: GraphModule, alike: Sequence[Sequence[int]]) -> None:
    """Have one input stand for several that always hold the same and change in the same way.

    Args:
        module: The program. It is called with one tensor for all of those inputs.
        alike: Positions of such inputs, those of one tensor together.

    Raises:
        NotInStepError: The program changes one of them otherwise than the others.
    """
    _one_by_one(module)
    inputs = [node for node in module.graph.nodes if node.op == "placeholder"]
    for first, *others in alike:
        changes = [_changes(module, inputs[position]) for position in (first, *others)]
        if any(_said(one) != _said(changes[0]) for one in changes):
            raise NotInStepError("counts that stand for one another do not move together")
        for position, nodes in zip(others, changes[1:], strict=True):
            for node in nodes:
                node.replace_all_uses_with(inputs[position])
                module.graph.erase_node(node)
            inputs[position].replace_all_uses_with(inputs[first])


def _changes(module: GraphModule, tensor: Node) -> list[Node]:
    return [
        node
        for node in module.graph.nodes
        if any(memory_of(one) is tensor for one in written_by(node))
    ]


def _said(changes: Sequence[Node]) -> list[Hashable]:
    """Put changes into a form that is equal where they are."""
    return [(node.target, repr(node.args[1:]), repr(node.kwargs)) for node in changes]


def _one_by_one(module: GraphModule) -> None:
    """Take operators on lists of single numbers apart, so that equal ones among them are seen."""
    for node in list(module.graph.nodes):
        single = ONE_BY_ONE.get(node.target) if isinstance(node.target, OpOverload) else None
        if single is None or not all(_is_number(one) for one in node.args[0]):
            continue
        with module.graph.inserting_before(node):
            parts = [_call(module, single, one, node) for one in node.args[0]]
        for user in list(node.users):  # each takes one of the results
            user.replace_all_uses_with(parts[user.args[1]])
            module.graph.erase_node(user)
        module.graph.erase_node(node)


def _call(module: GraphModule, single: Any, tensor: Node, whole: Node) -> Node:
    call = module.graph.call_function(single, (tensor, *whole.args[1:]), dict(whole.kwargs))
    call.meta["val"] = tensor.meta.get("val")
    return call


def _is_number(value: Any) -> bool:
    shape = value.meta.get("val") if isinstance(value, Node) else None
    return isinstance(shape, Tensor) and shape.ndim == 0
