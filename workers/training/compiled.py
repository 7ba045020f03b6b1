"""Traced programs compiled by TorchInductor, and called with little around their kernels."""

import copy
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from workers.training.holding import hold
from workers.training.straight import straight_line, without_gradients

logger = logging.getLogger(__name__)

OPTIONS = {"cpp_wrapper": True, "size_asserts": False}
"""Kernels are called from C++: of a program of many small ones Python would take a tenth of the
time, and they compile sooner as one file. What a program depends on of its tensors, its key holds:
nothing is left to assert at every call."""


def compiled(graph: GraphModule, examples: Sequence[Tensor]) -> Callable[..., list[Tensor]]:
    """Have TorchInductor compile a traced program; where it cannot, let it run eager.

    Not by `torch.compile`: that would trace anew what is traced, and check at every call what is
    true for every call of a program.

    Args:
        graph: The program.
        examples: Tensors like those it will be called with.
    """
    try:
        with torch.no_grad():
            program = _quickest(graph, examples)
    except RuntimeError as error:
        logger.warning("not compiled, runs eager: %s", str(error).splitlines()[0])
        return straight_line(graph)
    return without_gradients(program)


def _quickest(graph: GraphModule, examples: Sequence[Tensor]) -> Callable[..., list[Tensor]]:
    """Compile, and leave out what automatic differentiation puts around every call.

    That has its own cache of compiled programs, which is passed by: it would give back no more than
    the whole. TorchInductor's own, of the kernels within, is used.
    """
    # Imported here: it takes a second, and few packs need it.
    from torch._functorch import config
    from torch._inductor.compile_fx import compile_fx, compile_fx_inner

    inner: list[tuple[GraphModule, Any]] = []

    def lower(kernels: GraphModule, inputs: Sequence[Any], **options: Any) -> Any:
        hold(kernels)
        code = compile_fx_inner(kernels, inputs, **options)
        inner.append((kernels, code))
        return code

    with config.patch(enable_autograd_cache=False):
        whole: Any = compile_fx(
            copy.deepcopy(graph), list(examples), inner_compile=lower, config_patches=OPTIONS
        )
    constants = list(graph.buffers())
    taken, returned = _arity(graph)
    run = getattr(inner[0][1], "current_callable", None) if len(inner) == 1 else None
    if run is None or _arity(inner[0][0]) != (len(constants) + taken, returned):
        # What is around the kernels is needed then: it gives them other tensors than it is given.
        found: Callable[..., list[Tensor]] = whole
        return found

    def kernels(*tensors: Tensor) -> list[Tensor]:
        outputs: list[Tensor] = run([*constants, *tensors])  # it empties the list it is given
        return outputs

    return kernels


def _arity(graph: GraphModule) -> tuple[int, int]:
    """Count what a program takes and what it returns."""
    taken = sum(node.op == "placeholder" for node in graph.graph.nodes)
    returned: Any = graph.graph.output_node().args[0]
    return taken, len(returned)
