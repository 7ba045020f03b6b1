"""A traced program as a graph for TorchScript's interpreter: kernels, one after the other.

Small kernels run for less time than Python takes to call them. The interpreter is C++: it holds a
list of operators that are looked up already, and drops each tensor after its last use. None of
TorchScript's optimizations are made, so the bits are those of the operators as they stand.
"""

import logging
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import GraphModule, Node

logger = logging.getLogger(__name__)

MEMORY_FORMATS = {
    torch.contiguous_format: 0,
    torch.preserve_format: 1,
    torch.channels_last: 2,
    torch.channels_last_3d: 3,
}
"""The numbers that stand for them in a graph; those of c10/core/MemoryFormat.h."""

PREAMBLE = "(most recent call last):\nRuntimeError:"
"""How the interpreter ends the words that it puts before an operator's own complaint."""


class NotWrittenError(Exception):
    """A program calls what TorchScript has no operator for."""


def straight_line(module: GraphModule) -> Callable[..., list[Tensor]]:
    """Return a function that runs a traced program's kernels, without recording gradients.

    Args:
        module: Its nodes call operators on tensors and plain values. Tensors it holds are kept.

    Returns:
        A function of the program's inputs that returns the list of its outputs. Where TorchScript
        cannot hold the program, the program as it is.
    """
    plain = without_gradients(module)
    try:
        graph = _Graph(module)
        return _runner(graph.function(), graph.outputs, plain)
    except Exception as error:
        # Of any kind: the names below are private to PyTorch, and what they refuse, and how, is
        # another release's to change. Node by node every program runs.
        said = str(error).strip().splitlines() or [""]
        logger.warning("runs node by node, slower: %s: %s", type(error).__name__, said[0])
        return plain


def without_gradients(function: Callable[..., list[Tensor]]) -> Callable[..., list[Tensor]]:
    """Run a function that computes its gradients itself, or needs none, without recording any."""

    record = torch._C._set_grad_enabled  # what `torch.no_grad` calls, in some more lines

    def run(*tensors: Tensor) -> list[Tensor]:
        recorded = torch.is_grad_enabled()
        record(False)
        try:
            return function(*tensors)
        finally:
            record(recorded)

    return run


def _runner(
    function: Callable[..., Any], outputs: int, plain: Callable[..., list[Tensor]]
) -> Callable[..., list[Tensor]]:
    watched = torch._C._len_torch_dispatch_stack
    optimize = torch._C._get_graph_executor_optimize
    record = torch._C._set_grad_enabled

    def run(*tensors: Tensor) -> list[Tensor]:
        if watched():  # by Python code, whose errors the interpreter would make empty ones of
            return plain(*tensors)
        before, recorded = optimize(False), torch.is_grad_enabled()
        record(False)
        try:
            found = function(*tensors)
        except RuntimeError as error:
            error.args = (str(error).partition(PREAMBLE)[2].strip() or str(error),)
            raise
        finally:
            optimize(before)
            record(recorded)
        return list(found) if outputs > 1 else [found] if outputs else []

    return run


class _Graph:
    """A program, written anew."""

    def __init__(self, module: GraphModule) -> None:
        self.outputs = 0
        self._module = module
        self._graph: Any = torch._C.Graph()
        self._values: dict[Node, Any] = {}
        """What each node gives: a value, or a list of them."""
        self._constants: dict[tuple[type, str], Any] = {}
        self._tensors = torch._C.ListType.ofTensors()
        for node in module.graph.nodes:
            self._add(node)

    def function(self) -> Callable[..., Any]:
        """Return the graph as a function: of no value, one, or a tuple of them."""
        if self.outputs == 0:
            self._graph.registerOutput(self._graph.insertConstant(None))
        elif self.outputs > 1:
            self._graph.makeMultiOutputIntoTuple()
        return torch._C._create_function_from_graph("run", self._graph)

    def _add(self, node: Node) -> None:
        if node.op == "placeholder":
            self._values[node] = self._graph.addInput(f"a{len(self._values)}")
        elif node.op == "get_attr":
            held = getattr(self._module, str(node.target))
            self._values[node] = self._graph.insertConstant(held)
        elif node.op == "output":
            for one in node.args[0]:  # type: ignore[union-attr]  # a list, as programs return
                self._graph.registerOutput(self._values[one])  # type: ignore[index]
                self.outputs += 1
        elif node.target is operator.getitem:
            of, index = node.args
            self._values[node] = self._values[of][index]  # type: ignore[index]
        else:
            self._values[node] = self._call(node)

    def _call(self, node: Node) -> Any:
        if not isinstance(node.target, OpOverload):
            raise NotWrittenError(f"{node.target} is no operator")
        schema = node.target._schema
        given = {
            **{one.name: value for one, value in zip(schema.arguments, node.args, strict=False)},
            **node.kwargs,
        }
        inputs = [
            self._write(given.get(one.name, one.default_value), one.type)
            for one in schema.arguments
        ]
        call = self._insert(schema.name, inputs, len(schema.returns))
        lists = [isinstance(one.type, torch.ListType) for one in schema.returns]
        if lists == [True]:
            call.output().setType(self._tensors)
        # Which overload it is follows from the types of the arguments.
        if call.schema().partition("(")[0].partition(".")[0] != schema.name:
            raise NotWrittenError(f"TorchScript has no {schema.name}.{schema.overload_name}")
        if lists == [True] and node.users:
            call = self._insert("prim::ListUnpack", [call.output()], len(node.meta["val"]))
        elif lists == [False]:
            return call.output()
        return list(call.outputs())

    def _insert(self, name: str, inputs: Sequence[Any], outputs: int) -> Any:
        return self._graph.insertNode(self._graph.create(name, inputs, outputs))

    def _write(self, value: Any, wanted: Any) -> Any:
        """Return a node's value, or a constant's, as an argument of that type."""
        if isinstance(value, Node):
            return self._values[value]
        if not isinstance(value, list | tuple):
            return self._constant(float(value) if _is_float(value, wanted) else value)
        if value and all(type(one) is int for one in value):
            return self._constant(list(value))
        inner = wanted.getElementType()
        made = self._insert("prim::ListConstruct", [self._write(one, inner) for one in value], 1)
        made.output().setType(wanted)
        return made.output()

    def _constant(self, value: Any) -> Any:
        value = (
            MEMORY_FORMATS.get(value, value) if isinstance(value, torch.memory_format) else value
        )
        key = type(value), repr(value)
        if key not in self._constants:
            self._constants[key] = self._graph.insertConstant(value)
        return self._constants[key]


def _is_float(value: Any, wanted: Any) -> bool:
    """Tell whether a whole number is to be given as one with a point."""
    return type(value) is int and str(wanted) in {"float", "Optional[float]"}
