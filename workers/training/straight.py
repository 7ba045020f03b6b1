"""A traced program as one Python function: a line a kernel, and nothing else in its way.

`torch.fx` writes such functions too, for reading. Its lines look up ``torch.ops.aten.mul.Tensor``
name by name at every call, and go through a call that takes any operator; small kernels run for
less time than that takes.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import GraphModule, Node

BINDINGS = torch._C._VariableFunctions
"""PyTorch's own functions: the same operators, called in half the time."""
BOUND = frozenset(
    {
        "_foreach_add",
        "_foreach_add_",
        "_foreach_addcdiv_",
        "_foreach_addcmul_",
        "_foreach_div",
        "_foreach_div_",
        "_foreach_expm1",
        "_foreach_expm1_",
        "_foreach_lerp_",
        "_foreach_maximum_",
        "_foreach_mul",
        "_foreach_mul_",
        "_foreach_neg",
        "_foreach_neg_",
        "_foreach_sqrt",
        "_foreach_sub_",
        "_log_softmax",
        "_softmax",
        "add",
        "addmm",
        "baddbmm",
        "bmm",
        "cat",
        "clone",
        "cos",
        "div",
        "eq",
        "exp",
        "expm1",
        "log",
        "maximum",
        "mean",
        "mm",
        "mul",
        "neg",
        "pow",
        "relu",
        "rsub",
        "rsqrt",
        "select",
        "sigmoid",
        "sin",
        "slice_copy",
        "sqrt",
        "squeeze",
        "stack",
        "sub",
        "sum",
        "tanh",
        "transpose",
        "unsqueeze",
        "where",
    }
)
"""Of these, those whose functions take what the operator takes, in its order."""
METHODS = {"view": Tensor.view, "expand": Tensor.expand, "permute": Tensor.permute}


def straight_line(module: GraphModule) -> Callable[..., list[Tensor]]:
    """Return a function that runs a traced program's kernels one after the other.

    Args:
        module: Its nodes call operators on tensors and plain values. Tensors it holds are kept.

    Returns:
        A function of the program's inputs that returns the list of its outputs.
    """
    lines = _Lines(module)
    source = "\n    ".join([f"def run({', '.join(lines.inputs)}):", *lines.body])
    scope: dict[str, Any] = lines.scope
    exec(compile(source, "<traced program>", "exec"), scope)  # noqa: S102 - written right here
    run: Callable[..., list[Tensor]] = scope["run"]
    return run


class _Lines:
    """The lines of a program, and what its names stand for."""

    def __init__(self, module: GraphModule) -> None:
        self.inputs: list[str] = []
        self.body: list[str] = []
        self.scope: dict[str, Any] = {}
        self._module = module
        self._names: dict[Node, str] = {}
        ends = _last_uses(module)
        for node in module.graph.nodes:
            self._add(node)
            done = [self._names[used] for used in ends.get(node, ()) if used.op != "get_attr"]
            if done and node.op != "output":
                self.body.append(f"del {', '.join(done)}")

    def _add(self, node: Node) -> None:
        if node.op == "placeholder":
            name = self._names[node] = f"a{len(self.inputs)}"
            self.inputs.append(name)
        elif node.op == "get_attr":
            self._names[node] = self._bind("t", getattr(self._module, str(node.target)))
        elif node.op == "output":
            self.body.append(f"return {self._write(list(node.args[0]))}")  # type: ignore[arg-type]
        else:
            call = self._call(node)
            if node.users:
                self._names[node] = f"v{len(self._names)}"
                call = f"{self._names[node]} = {call}"
            self.body.append(call)

    def _call(self, node: Node) -> str:
        if node.target is operator.getitem:
            of, index = node.args
            return f"{self._write(of)}[{index}]"
        function = self._bind("f", plain(node.target))
        given = [self._write(value) for value in node.args]
        given += [f"{name}={self._write(value)}" for name, value in node.kwargs.items()]
        return f"{function}({', '.join(given)})"

    def _write(self, value: Any) -> str:
        if isinstance(value, Node):
            return self._names[value]
        if isinstance(value, list | tuple):
            return f"[{', '.join(self._write(one) for one in value)}]"
        if value is None or isinstance(value, bool | int | str):
            return repr(value)
        return self._bind("c", value)

    def _bind(self, kind: str, value: Any) -> str:
        name = f"{kind}{len(self.scope)}"
        self.scope[name] = value
        return name


def plain(target: Any) -> Any:
    """Return the quickest way to call an operator; of other functions, the function."""
    if not isinstance(target, OpOverload) or target.namespace != "aten":
        return target
    name = target._opname
    return METHODS.get(name) or (getattr(BINDINGS, name, target) if name in BOUND else target)


def _last_uses(module: GraphModule) -> dict[Node, list[Node]]:
    """Return which nodes each node is the last to use, so that their memory can be given back."""
    found: dict[Node, list[Node]] = {}
    seen: set[Node] = set()
    for node in reversed(module.graph.nodes):
        for used in node.all_input_nodes:
            if used not in seen:
                seen.add(used)
                found.setdefault(node, []).append(used)
    return found
