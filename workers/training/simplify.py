"""Taking out of a traced program what computes nothing."""

from torch import Tensor
from torch._ops import OpOverload
from torch.fx import GraphModule, Node


def simplify(graph: GraphModule) -> None:
    """Make a traced program shorter without changing what it computes.

    Labels for a profiler go: they cost time and cannot be compiled. Views that lead back to what
    they started from go too: automatic differentiation and `torch.vmap` leave many, and each takes
    as long as a small kernel.
    """
    for node in graph.graph.nodes:
        origin = _seen_before(node)
        if origin is not None:
            node.replace_all_uses_with(origin)
    for node in reversed(graph.graph.nodes):
        if _labels(node) or (_is_view(node) and not node.users):
            graph.graph.erase_node(node)
    graph.recompile()


def _seen_before(node: Node) -> Node | None:
    """Return the first of the views that lead to this one which is the same view of the memory."""
    found, source = None, node
    while _is_view(source):
        source = source.args[0]  # type: ignore[assignment]  # a view's first argument is its tensor
        if _same_view(source.meta.get("val"), node.meta.get("val")):
            found = source
    return found


def _is_view(node: Node) -> bool:
    """Tell whether a node gives another view of its first argument's memory, and nothing else."""
    target = node.target
    if not isinstance(target, OpOverload) or target.namespace != "aten":
        return False
    returned, first = target._schema.returns, target._schema.arguments[:1]
    if len(returned) != 1 or not first or not isinstance(node.args[0], Node):
        return False
    shared = returned[0].alias_info, first[0].alias_info
    return all(alias is not None and not alias.is_write for alias in shared)


def _same_view(one: object, other: object) -> bool:
    return (
        isinstance(one, Tensor)
        and isinstance(other, Tensor)
        and one.dtype == other.dtype
        and tuple(one.shape) == tuple(other.shape)
        and one.stride() == other.stride()
        and bool(one.storage_offset() == other.storage_offset())
    )


def _labels(node: Node) -> bool:
    return isinstance(node.target, OpOverload) and node.target.namespace == "profiler"
