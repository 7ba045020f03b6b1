"""Shorter programs that compute the same."""

from collections.abc import Sequence

from torch import Tensor
from torch._ops import OpOverload
from torch.fx import GraphModule, Node

from workers.training.folding import fold
from workers.training.nodes import is_pure, is_view
from workers.training.sharing import in_step, share


def simplify(module: GraphModule, alike: Sequence[Sequence[int]] = ()) -> None:
    """Make a traced program shorter without changing what it computes.

    Labels for a profiler go: they cost time and cannot be compiled. Views that lead back to what
    they started from go too: automatic differentiation and `torch.vmap` leave many, and each takes
    as long as a small kernel. What is constant is computed here, and what is the same, once.

    Args:
        module: The program, changed in place.
        alike: Positions of inputs that one tensor will be given for: see `in_step`.

    Raises:
        NotInStepError: That tensor would not change in one way.
    """
    for node in module.graph.nodes:
        origin = _seen_before(node)
        if origin is not None:
            node.replace_all_uses_with(origin)
    fold(module)
    in_step(module, alike)
    share(module)
    for node in reversed(module.graph.nodes):
        unused = not node.users and (is_pure(node) or node.op == "get_attr")
        if unused or _labels(node):
            module.graph.erase_node(node)
    module.recompile()


def _seen_before(node: Node) -> Node | None:
    """Return the first of the views that lead to this one which is the same view of the memory."""
    found, source = None, node
    while is_view(source):
        source = source.args[0]  # type: ignore[assignment]  # a view's first argument is its tensor
        if _same_view(source.meta.get("val"), node.meta.get("val")):
            found = source
    return found


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
