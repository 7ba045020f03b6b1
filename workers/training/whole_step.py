"""A training step of all a pack's optimizers as one program.

Decay, gradients and updates are traced each by itself, and kept for packs that have them in common.
Called one after the other they would take, of small models, as long as a few kernels do.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node

from workers.training.program import Kernels, NotTraceableError, Program
from workers.training.programs import PackPrograms
from workers.training.slices import OptimizerSlice
from workers.training.stack import Models
from workers.training.traced_steps import TracedSteps

Traced = Sequence[tuple[OptimizerSlice, TracedSteps]]


class WholeStep:
    """Decay, gradients and update of K models in one call."""

    def __init__(
        self, kernels: Kernels, optimizers: Sequence[OptimizerSlice], others: Sequence[Tensor]
    ) -> None:
        self._kernels = kernels
        self._optimizers = optimizers
        self._others = others

    def __call__(self, batch: Sequence[Tensor]) -> Tensor:
        """Take a step on a batch at the optimizers' learning rates; returns the losses, (K,)."""
        (losses,) = self._kernels(*batch, *(one.rate for one in self._optimizers), *self._others)
        return losses


def whole_step(
    models: Models,
    optimizers: Sequence[OptimizerSlice],
    batch: Sequence[Tensor],
    programs: PackPrograms,
) -> WholeStep | None:
    """Make one program of a step, for batches like this one.

    Args:
        models: K of them.
        optimizers: Of all of them, slice by slice; each has stepped.
        batch: As `PackPrograms.batch` returns it.
        programs: Of the pack.

    Returns:
        None where a part is not traceable. Nor are the parts of several optimizers compiled as one:
        to the compiler each of these would change all of the stack.
    """
    if programs.compiles and len(optimizers) > 1:
        return None
    try:
        gradients = programs.gradient_program(models, batch)
    except NotTraceableError:
        return None
    _, *examples = gradients.outputs()
    traced = [(one, steps) for one in optimizers if (steps := one.traced(one.part(examples)))]
    if len(traced) < len(optimizers):
        return None
    joining = _Joining(models, traced, batch)
    name = ("step", *((one.member.settings, one.range.start, one.whole) for one in optimizers))
    program = programs.kept(name, joining.inputs, lambda: joining.program(gradients))
    kernels = programs.ready(program, joining.inputs, compiled=programs.whole(batch))
    return WholeStep(kernels, optimizers, joining.inputs[len(batch) + len(optimizers) :])


class _Joining:
    """Programs of one step, written one after the other into a new one."""

    def __init__(self, models: Models, traced: Traced, batch: Sequence[Tensor]) -> None:
        self._models = models
        self._traced = traced
        self._batch = batch
        tensors: list[Tensor] = [*batch, *(one.rate for one, _ in traced), *models.tensors]
        for one, steps in traced:
            tensors += [*one.parameters, *steps.held]
        self.inputs = list({id(tensor): tensor for tensor in tensors}.values())
        """Of the new program: first the batch and the rates, which are others at each step."""
        self._graph = Graph()
        self._constants = nn.Module()
        self._nodes = {
            id(tensor): self._graph.placeholder(f"input_{place}")
            for place, tensor in enumerate(self.inputs)
        }

    def program(self, gradients: Program) -> Program:
        """Return the new program; it gives the losses. Called once."""
        for one, steps in self._traced:
            if steps.decay_program is not None:
                self._add(steps.decay_program, steps.decay_takes(one.parameters, one.rate))
        losses, *found = self._add(gradients, [*self._models.tensors, *self._batch])
        for one, steps in self._traced:
            own = found if one.whole else [self._cut(node, one.range) for node in found]
            self._add(steps.update_program, steps.update_takes(one.parameters, own, one.rate))
        self._graph.output([losses])
        return Program(GraphModule(self._constants, self._graph))

    def _add(self, program: Program, takes: Iterable[Tensor | Node]) -> list[Node]:
        """Write a program to the end; returns what it gives."""
        given = iter(takes)
        values: dict[Node, Node] = {}
        for node in program.graph.graph.nodes:
            if node.op == "placeholder":
                tensor = next(given)
                values[node] = self._nodes[id(tensor)] if isinstance(tensor, Tensor) else tensor
            elif node.op == "get_attr":
                values[node] = self._constant(getattr(program.graph, str(node.target)))
            elif node.op != "output":
                values[node] = self._graph.node_copy(node, values.__getitem__)
        outputs: Any = program.graph.graph.output_node().args[0]
        return [values[node] for node in outputs]

    def _constant(self, value: Tensor) -> Node:
        name = f"constant_{len(list(self._constants.buffers()))}"
        self._constants.register_buffer(name, value)
        return self._graph.get_attr(name)

    def _cut(self, gradient: Node, rows: slice) -> Node:
        cut = torch.ops.aten.slice.Tensor
        return self._graph.call_function(cut, (gradient, 0, rows.start, rows.stop))
