"""The programs of a pack: its loss and gradients, and its scores, by the size of the batch."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import islice

import torch
from torch import Tensor

from workers.contracts import Pack
from workers.training.blueprint import Blueprint
from workers.training.functions import ModelFunctions
from workers.training.program import (
    Kernels,
    NotTraceableError,
    Program,
    Replayed,
    compiler_for,
    kept,
    layout,
    traced,
)
from workers.training.seeds import Stream, generator
from workers.training.stack import Models
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
        self._gradients: dict[Hashable, Kernels] = {}
        self._scores: dict[Hashable, Kernels] = {}

    def batch(self, row_of: Tensor, inputs: Tensor, targets: Tensor, step: int) -> list[Tensor]:
        """Return what the loss depends on besides the models: a batch, and its noise.

        Args:
            row_of: (K,) the row of the batch that each model sees.
            inputs: (S, b, …).
            targets: (S, b, …).
            step: From 0; noise depends on it.
        """
        noise = self._noise(inputs, row_of, step)
        return [*(self._rows(part, row_of) for part in (inputs, targets)), *noise]

    def gradient_program(self, models: Models, batch: Sequence[Tensor]) -> Program:
        """Return the program of losses (K,) and gradients (K, …), for batches like this one.

        It takes the models' `tensors` and then the batch; running statistics move.

        Raises:
            NotTraceableError: The loss looks at values.
        """
        return self.program(
            "gradients",
            lambda *given: self._gradients_of(models.names, given),
            [*models.tensors, *batch],
        )

    def gradients(
        self, models: Models, batch: Sequence[Tensor], *, compiled: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return losses (K,) and gradients (K, …) by name; running statistics move.

        Args:
            models: K of them.
            batch: As `batch` returns it.
            compiled: Whether compiling is worth while, should the numeric mode ask for it.
        """
        tensors = [*models.tensors, *batch]
        size = (len(models), _examples(batch), compiled)
        kernels = self._gradients.get(size)
        if kernels is None:
            try:
                program = self.gradient_program(models, batch)
                kernels = self.ready(program, tensors, compiled=compiled and self.whole(batch))
            except NotTraceableError:
                kernels = without_gradients(lambda *given: self._gradients_of(models.names, given))
            self._gradients[size] = kernels
        losses, *gradients = kernels(*tensors)
        return losses, dict(zip(models.parameters, gradients, strict=True))

    def whole(self, batch: Sequence[Tensor]) -> bool:
        """Tell whether a batch is a whole one: the rest of an epoch is not worth compiling for."""
        return _examples(batch) == self._batch_size

    def scores(
        self, models: Models, row_of: Tensor, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return mean loss and score of each model on a batch, (K,) each. Arguments as above."""
        batch = [self._rows(part, row_of) for part in (inputs, targets)]
        tensors = [*models.tensors, *batch]
        size = (len(models), _examples(batch))
        kernels = self._scores.get(size)
        if kernels is None:

            def function(*given: Tensor) -> list[Tensor]:
                return self._scores_of(models.names, given)

            try:
                program = self.program("scores", function, tensors)
                kernels = self.ready(program, tensors, compiled=False)
            except NotTraceableError:
                kernels = without_gradients(function)
            self._scores[size] = kernels
        losses, scores = kernels(*tensors)
        return losses, scores

    def program(
        self,
        name: Hashable,
        function: Kernels,
        tensors: Sequence[Tensor],
        *,
        alike: Sequence[Sequence[int]] = (),
    ) -> Program:
        """Return a function's program for tensors like these.

        Args:
            name: Tells it from the pack's other functions.
            function: Depends on nothing but its tensors, the task and the numeric mode.
            tensors: Those of the first call.
            alike: Positions of tensors in whose place one and the same will be given, to change as
                each of them would.

        Raises:
            NotTraceableError: The function looks at values, or such a tensor cannot stand for the
                others.
        """
        return self.kept(name, tensors, lambda: traced(function, tensors, alike=alike))

    def kept(
        self, name: Hashable, tensors: Sequence[Tensor], make: Callable[[], Program]
    ) -> Program:
        """Return the program of that name for tensors like these, from an earlier pack or new."""
        return kept((name, self.key, layout(tensors)), make)

    def ready(self, program: Program, tensors: Sequence[Tensor], *, compiled: bool) -> Kernels:
        """Return what runs a program on tensors like these, in the pack's numeric mode.

        Args:
            program: Of this pack.
            tensors: Those of the first call.
            compiled: Whether compiling is worth while, should the mode ask for it.
        """
        kernels = program.compiled(tensors) if compiled and self.compiles else program.eager
        replays = self._numerics.cuda_graphs and self._device.type == "cuda"
        return Replayed(kernels) if replays else kernels

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


def _examples(batch: Sequence[Tensor]) -> int:
    """Return how many examples each model sees: targets are (1, b, …) or (K, b, …)."""
    return batch[1].shape[1]
