"""Functions of tensors as straight lists of kernels: traced once, then run without the Python that
wrote them, and compiled where that is wanted."""

import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedOperatorException,
)
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from workers.training.compiled import compiled as compile_it
from workers.training.sharing import NotInStepError
from workers.training.simplify import simplify
from workers.training.straight import straight_line

Kernels = Callable[..., list[Tensor]]
"""Takes tensors, may change them in place, and returns a list of tensors."""

KEPT = 256
"""Programs that a process keeps for packs like those it has trained."""
UNTRACEABLE = (
    DataDependentOutputException,
    DynamicOutputShapeException,
    GuardOnDataDependentSymNode,
    UnsupportedOperatorException,
)


class NotTraceableError(Exception):
    """What a function does depends on the values of its tensors."""


class Program:
    """A function of tensors as a list of kernels, made into something that runs when first wanted.

    Attributes:
        graph: The kernels; each node calls an operator.
    """

    def __init__(self, graph: GraphModule) -> None:
        self.graph = graph
        self._compiled: Kernels | None = None

    @cached_property
    def eager(self) -> Kernels:
        """The kernels one after the other, without recording gradients."""
        return straight_line(self.graph)

    def compiled(self, examples: Sequence[Tensor]) -> Kernels:
        """Return the kernels as TorchInductor fuses them; needs a compiler.

        Args:
            examples: Tensors like those it will be called with, not changed.
        """
        if self._compiled is None:
            self._compiled = compile_it(self.graph, examples)
        return self._compiled

    def outputs(self) -> list[Tensor]:
        """Return tensors like its outputs, but for their values, which are undefined."""
        nodes: Any = self.graph.graph.output_node().args[0]
        shapes = [node.meta["val"] for node in nodes]
        return [
            torch.empty_strided(one.shape, one.stride(), dtype=one.dtype, device=one.device)
            for one in shapes
        ]


_kept: OrderedDict[Hashable, Program] = OrderedDict()


def kept(key: Hashable, make: Callable[[], Program]) -> Program:
    """Return the program of that key, making it where it is not kept from an earlier pack."""
    if key not in _kept:
        _kept[key] = make()
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    return _kept[key]


def layout(tensors: Iterable[Tensor]) -> tuple[Hashable, ...]:
    """Return what a program depends on besides its function: shapes, strides, types, devices."""
    return tuple((t.shape, t.stride(), t.dtype, t.device) for t in tensors)


def traced(
    function: Kernels,
    examples: Sequence[Tensor],
    *,
    alike: Sequence[Sequence[int]] = (),
) -> Program:
    """Turn a function into the kernels that it runs on tensors of these shapes.

    Args:
        function: Its result may depend on nothing but its arguments, and its course on nothing but
            their shapes. It is not run on real data here.
        examples: Tensors like those it will be called with: shapes, strides, types and devices.
        alike: Positions of examples in whose place one and the same tensor will be given, which is
            then to change as each of them would.

    Raises:
        NotTraceableError: The function's course depends on the values of tensors.
    """
    try:
        with torch.enable_grad():
            graph = make_fx(function, tracing_mode="fake")(*examples)
    except UNTRACEABLE as error:
        raise NotTraceableError(str(error).splitlines()[0]) from error
    try:
        simplify(graph, alike)
    except NotInStepError as error:
        raise NotTraceableError(str(error)) from error
    return Program(graph)


def compiler_for(device: torch.device) -> bool:
    """Tell whether TorchInductor finds what it needs on this machine.

    Compiled programs call their kernels from C++, wherever these run, and Triton has C of its own.
    """
    if not any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++")):
        return False
    if device.type == "cuda":
        return torch.utils._triton.has_triton() and shutil.which("cc") is not None
    return True


class Replayed:
    """Kernels recorded as a CUDA graph, and replayed: one launch instead of many.

    The tensors of the recording are its own from then on. Those that change in place, such as
    weights, are the same in every call; what comes in other memory, such as a batch, is copied.
    """

    WARM = 3
    """Calls before the recording, in which libraries choose their kernels and take their memory."""

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._outputs: list[Tensor] = []

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        """Run, record or replay them."""
        if self._graph is None:
            self._calls += 1
            if self._calls <= self.WARM:
                return self._kernels(*tensors)
            self._inputs = tensors
            graph = torch.cuda.CUDAGraph()
            torch.cuda.synchronize()
            with torch.cuda.graph(graph):
                self._outputs = self._kernels(*tensors)
            self._graph = graph
        for own, given in zip(self._inputs, tensors, strict=True):
            if own.data_ptr() != given.data_ptr():
                own.copy_(given)
        self._graph.replay()
        return self._outputs
