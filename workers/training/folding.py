"""What a traced program would compute anew at every call, though it never changes."""

from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx import GraphModule, Node
from torch.utils._pytree import tree_map

from workers.training.nodes import is_pure, memory_of, touched

FILLED = {"ones_like": 1, "zeros_like": 0}
"""Operators whose result is known from the shape of their argument alone."""
LARGEST = 1 << 20
"""Bytes of a constant, at most: what is larger costs less to compute than to keep."""


def fold(module: GraphModule) -> None:
    """Put constants in the place of nodes that depend on no input, computed here once."""
    leave = touched(module)
    known: dict[Node, Tensor] = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            held = getattr(module, str(node.target))
            if isinstance(held, Tensor) and not isinstance(held, FakeTensor):
                known[node] = held
        elif is_pure(node) and memory_of(node) not in leave:
            value = _value(node, known)
            if value is not None:
                known[node] = value
    kept = _Constants(module)
    for node, value in known.items():
        if memory_of(node) not in leave and node.users:
            kept.replace(node, value)


def _value(node: Node, known: dict[Node, Tensor]) -> Tensor | None:
    """Compute a node that depends on nothing but constants; None of others."""
    shape = node.meta.get("val")
    if not isinstance(shape, Tensor) or shape.nbytes > LARGEST:
        return None
    filled = FILLED.get(node.target._opname)  # type: ignore[union-attr]  # it is an operator
    if filled is not None and shape.is_contiguous():
        return torch.full(tuple(shape.shape), filled, dtype=shape.dtype, device=shape.device)
    if any(one not in known for one in node.all_input_nodes):
        return None
    args, kwargs = tree_map(
        lambda one: known[one] if isinstance(one, Node) else one, (node.args, node.kwargs)
    )
    with torch.no_grad():
        found: Any = node.target(*args, **kwargs)  # type: ignore[operator]
    return found if isinstance(found, Tensor) else None


class _Constants:
    """Tensors that a program holds; equal ones are one."""

    def __init__(self, module: GraphModule) -> None:
        self._module = module
        self._nodes: dict[tuple[Any, ...], Node] = {}

    def replace(self, node: Node, value: Tensor) -> None:
        """Have a constant in a node's place."""
        key = (value.dtype, value.device, tuple(value.shape), value.stride(), *_bytes(value))
        if key not in self._nodes:
            name = f"constant_{len(self._nodes)}"
            self._module.register_buffer(name, value)
            inputs_end = next(n for n in self._module.graph.nodes if n.op != "placeholder")
            with self._module.graph.inserting_before(inputs_end):
                held = self._module.graph.get_attr(name)
            held.meta["val"] = node.meta.get("val", value)
            self._nodes[key] = held
        node.replace_all_uses_with(self._nodes[key])


def _bytes(value: Tensor) -> tuple[bytes]:
    return (value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes(),)
