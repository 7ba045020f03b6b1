"""What a node of a traced program does to memory."""

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch._ops import OpOverload
from torch.fx import GraphModule, Node


def is_view(node: Node) -> bool:
    """Tell whether a node gives another view of its first argument's memory, and nothing else."""
    target = node.target
    if not isinstance(target, OpOverload) or target.namespace != "aten":
        return False
    returned, first = target._schema.returns, target._schema.arguments[:1]
    if len(returned) != 1 or not first or not isinstance(node.args[0], Node):
        return False
    shared = returned[0].alias_info, first[0].alias_info
    return all(alias is not None and not alias.is_write for alias in shared)


def is_pure(node: Node) -> bool:
    """Tell whether a node computes the same from the same, changes nothing and is no output."""
    target = node.target
    return (
        isinstance(target, OpOverload)
        and target.namespace in {"aten", "prims"}
        and not target._schema.is_mutable
        and torch.Tag.nondeterministic_seeded not in target.tags
    )


def written_by(node: Node) -> Iterator[Node]:
    """Yield the nodes whose memory a node changes."""
    if not isinstance(node.target, OpOverload):
        return
    for argument, value in _arguments(node):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield from (value if isinstance(value, list | tuple) else [value])


def memory_of(node: Node) -> Node:
    """Return the node that brought the memory into being that this one's result lies in."""
    while True:
        if is_view(node) or (node.target is operator.getitem and _gives_views(node.args[0])):
            node = node.args[0]  # type: ignore[assignment]  # a view's first is its tensor
        elif _gives_views(node):
            node = node.args[0]  # type: ignore[assignment]
        elif len(changed := list(written_by(node))) == 1:
            node = changed[0]  # an operation in place returns what it changed
        else:
            return node


def _gives_views(node: Any) -> bool:
    """Tell whether a node cuts its first argument's memory into a list of views."""
    target = node.target
    if not isinstance(target, OpOverload) or not target._schema.arguments:
        return False
    shared = target._schema.arguments[0].alias_info
    is_list = isinstance(target._schema.returns[0].type, torch.ListType)
    return is_list and shared is not None and not shared.is_write


def touched(module: GraphModule) -> set[Node]:
    """Return the memory that a program changes or gives away: neither is to be shared."""
    found = {memory_of(one) for node in module.graph.nodes for one in written_by(node)}
    return found | {memory_of(one) for one in _output(module).all_input_nodes}


def _output(module: GraphModule) -> Node:
    found: Node = next(node for node in reversed(module.graph.nodes) if node.op == "output")
    return found


def _arguments(node: Node) -> Iterator[tuple[Any, Any]]:
    """Yield the given arguments of a node's operator, each with its place in the schema."""
    assert isinstance(node.target, OpOverload)  # noqa: S101 - the caller has looked
    declared = node.target._schema.arguments
    yield from zip(declared, node.args, strict=False)
    by_name = {argument.name: argument for argument in declared}
    yield from ((by_name[name], value) for name, value in node.kwargs.items())
