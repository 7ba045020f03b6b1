"""The programs of a pack: its loss and gradients, and its scores, by the size of the batch."""

from collections.abc import Hashable, Iterable, Sequence
from itertools import islice

import torch
from torch import Tensor

from workers.contracts import Pack
from workers.training.blueprint import Blueprint
from workers.training.functions import ModelFunctions
from workers.training.program import (
    NotTraceableError,
    Program,
    Replayed,
    compiler_for,
    kept,
    layout,
    traced,
)
from workers.training.seeds import Stream, generator
from workers.training.stacked import NoiseSite
from workers.training.straight import without_gradients


class PackPrograms:
    """Computes with a pack's models, tracing each function for each shape of its tensors once."""

    def __init__(
        self, pack: Pack, blueprint: Blueprint, device: torch.device, seeds: Sequence[int]
    ) -> None:
        """Prepare for a pack's task and numeric mode.

        Args:
            pack: What is trained.
            blueprint: Of its model.
            device: Where.
            seeds: Of its trials; batches come with a row for each.
        """
        self._blueprint = blueprint
        self._numerics = pack.budget.numerics
        self._batch_size = pack.budget.batch_size
        self._device = device
        self._seeds = seeds
        self._shared = len(seeds) == 1
        self._functions = ModelFunctions(blueprint, self._numerics, device, shared=self._shared)
        self.key: Hashable = (pack.task, pack.trials[0].task_version, self._numerics, self._shared)
        """What a program depends on besides the layout of its tensors."""
        self.compiles = self._numerics.compile and compiler_for(device)
        self._sites: dict[int, tuple[NoiseSite, ...]] = {}
        self._gradients: dict[Hashable, Program] = {}
        self._scores: dict[Hashable, Program] = {}

    def gradients(
        self,
        parameters: dict[str, Tensor],
        moving: dict[str, Tensor],
        row_of: Tensor,
        inputs: Tensor,
        targets: Tensor,
        step: int,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return losses (K,) and gradients (K, …) by name; running statistics move.

        Args:
            parameters: Name to (K, …).
            moving: Running statistics, likewise.
            row_of: (K,) the row of the batch that each model sees.
            inputs: (S, b, …).
            targets: (S, b, …).
            step: From 0; noise depends on it.
        """
        noise = self._noise(inputs, row_of, step)
        batch = [self._rows(part, row_of) for part in (inputs, targets)]
        tensors = [
            *parameters.values(), *moving.values(), *self._blueprint.fixed.values(), *batch, *noise,
        ]  # fmt: skip
        size = (len(row_of), targets.shape[1])
        program = self._gradients.get(size)
        if program is None:
            names = (tuple(parameters), tuple(moving), tuple(self._blueprint.fixed))
            whole_batch = targets.shape[1] == self._batch_size
            program = self._gradients[size] = self.program(
                "gradients",
                lambda *given: self._gradients_of(names, given),
                tensors,
                compiled=whole_batch,  # the odd one at an epoch's end is not worth the wait
            )
        losses, *gradients = program(*tensors)
        return losses, dict(zip(parameters, gradients, strict=True))

    def scores(
        self,
        parameters: dict[str, Tensor],
        moving: dict[str, Tensor],
        row_of: Tensor,
        inputs: Tensor,
        targets: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return mean loss and score of each model on a batch, (K,) each. Arguments as above."""
        batch = [self._rows(part, row_of) for part in (inputs, targets)]
        tensors = [*parameters.values(), *moving.values(), *self._blueprint.fixed.values(), *batch]
        size = (len(row_of), targets.shape[1])
        program = self._scores.get(size)
        if program is None:
            names = (tuple(parameters), tuple(moving), tuple(self._blueprint.fixed))
            program = self._scores[size] = self.program(
                "scores", lambda *given: self._scores_of(names, given), tensors, compiled=False
            )
        losses, scores = program(*tensors)
        return losses, scores

    def program(
        self,
        name: Hashable,
        function: Program,
        tensors: Sequence[Tensor],
        *,
        compiled: bool,
        alike: Sequence[Sequence[int]] = (),
    ) -> Program:
        """Return a function's program for tensors like these, in the pack's numeric mode.

        Args:
            name: Tells it from the pack's other functions.
            function: Depends on nothing but its tensors, the task and the numeric mode.
            tensors: Those of the first call.
            compiled: Whether compiling it is worth while, should the mode ask for it.
            alike: Positions of tensors in whose place one and the same will be given, to change as
                each of them would.

        Raises:
            NotTraceableError: Such a tensor cannot stand for the others. Else a function that is
                not traceable runs as it is written.
        """
        compiled = compiled and self.compiles
        try:
            program = kept(
                (name, self.key, compiled, layout(tensors)),
                lambda: traced(function, tensors, compiled=compiled, alike=alike),
            )
        except NotTraceableError:
            if alike:
                raise
            return without_gradients(function)
        replays = self._numerics.cuda_graphs and self._device.type == "cuda"
        return Replayed(program) if replays else program

    def _gradients_of(
        self, names: Sequence[Sequence[str]], tensors: Sequence[Tensor]
    ) -> list[Tensor]:
        given = iter(tensors)
        own, moving, fixed = (
            dict(zip(part, islice(given, len(part)), strict=True)) for part in names
        )
        inputs, targets, *noise = self._seen(given)
        losses, gradients = self._functions.gradients(own, moving, fixed, inputs, targets, noise)
        return [losses, *gradients]

    def _scores_of(self, names: Sequence[Sequence[str]], tensors: Sequence[Tensor]) -> list[Tensor]:
        given = iter(tensors)
        own, moving, fixed = (
            dict(zip(part, islice(given, len(part)), strict=True)) for part in names
        )
        return list(self._functions.scores(own, moving, fixed, *self._seen(given)))

    def _noise(self, inputs: Tensor, row_of: Tensor, step: int) -> list[Tensor]:
        size = inputs.shape[1]
        if size not in self._sites:
            self._sites[size] = self._blueprint.noise_sites(inputs[0])
        sites = self._sites[size]
        if not sites:
            return []
        chance = [generator(seed, Stream.NOISE, step) for seed in self._seeds]
        # All sites of one seed before the next seed's: each generator is its own, so either works.
        drawn = [torch.stack([site.draw(one) for one in chance]) for site in sites]
        return [self._rows(mask.to(self._device), row_of) for mask in drawn]

    def _rows(self, by_seed: Tensor, row_of: Tensor) -> Tensor:
        """Turn (S, …) into what the programs take: (1, …) if all share it, else (K, …)."""
        return by_seed if self._shared else by_seed[row_of]

    def _seen(self, batch: Iterable[Tensor]) -> list[Tensor]:
        """Turn what the programs take into what the functions take: (…) if all share it."""
        return [part[0] if self._shared else part for part in batch]
