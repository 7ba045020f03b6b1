"""Loss, gradients and scores of K models at once, from a task's model that is written for one."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call

from workers.contracts import NumericMode
from workers.training.blueprint import Blueprint
from workers.training.stacked import Noise, Stacking

Named = Mapping[str, Tensor]


class ModelFunctions:
    """What a pack computes with its models. Pure, but for running statistics, which move in place.

    `own` holds the parameters of K models, name to (K, …), `moving` their running statistics
    likewise, and `fixed` the buffers that all share. A batch is shared by all models, (b, …), or
    has a row for each, (K, b, …). One model alone, K = 1, is computed as any training loop would,
    without a leading axis.
    """

    def __init__(
        self, blueprint: Blueprint, numerics: NumericMode, device: torch.device, *, shared: bool
    ) -> None:
        """Prepare for one model.

        Args:
            blueprint: The model.
            numerics: Whether to compute in bfloat16 where that is safe, and how images lie.
            device: Where.
            shared: Whether all models see the same batches, those of one seed.
        """
        self._model = blueprint.model
        self._problem = blueprint.problem
        self._numerics = numerics
        self._device = device
        self._batch_dim = None if shared else 0

    def gradients(
        self,
        own: Named,
        moving: Named,
        fixed: Named,
        inputs: Tensor,
        targets: Tensor,
        noise: Sequence[Tensor],
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the loss of each model, (K,), and the gradients in the order of the parameters.

        Trials never mix: the loss that is differentiated is the sum over K of losses that share
        no weight.
        """
        self._model.train()
        alone = _count(own) == 1
        with torch.enable_grad():
            if alone:
                leaves = {n: p.detach()[0].requires_grad_() for n, p in own.items()}
                x, y, *masks = self._only(inputs, targets, *noise)
                losses = self._loss(leaves, _first(moving), fixed, x, y, masks, lifted=False)
            else:
                leaves = {n: p.detach().requires_grad_() for n, p in own.items()}
                batch = (self._batch_dim,) * 3
                lifted = torch.vmap(partial(self._loss, lifted=True), in_dims=(0, 0, None, *batch))
                losses = lifted(leaves, moving, fixed, inputs, targets, tuple(noise))
            gradients = torch.autograd.grad(losses.sum(), list(leaves.values()))
        if alone:
            return losses.detach().unsqueeze(0), [one.unsqueeze(0) for one in gradients]
        return losses.detach(), list(gradients)

    @torch.no_grad()
    def scores(
        self, own: Named, moving: Named, fixed: Named, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the mean loss and the score of each model on a batch, (K,) each."""
        self._model.eval()
        if _count(own) == 1:
            batch = self._only(inputs, targets)
            both = self._loss_and_score(_first(own), _first(moving), fixed, *batch, lifted=False)
            return both[0].unsqueeze(0), both[1].unsqueeze(0)
        lifted = torch.vmap(
            partial(self._loss_and_score, lifted=True),
            in_dims=(0, 0, None, self._batch_dim, self._batch_dim),
        )
        losses, scores = lifted(own, moving, fixed, inputs, targets)
        return losses, scores

    def _only(self, *batch: Tensor) -> tuple[Tensor, ...]:
        """Return the batch of the only model."""
        return batch if self._batch_dim is None else tuple(part[0] for part in batch)

    def _loss(
        self,
        own: Named,
        moving: Named,
        fixed: Named,
        inputs: Tensor,
        targets: Tensor,
        noise: Sequence[Tensor],
        *,
        lifted: bool,
    ) -> Tensor:
        with Stacking(Noise(noise), lifted=lifted), self._autocast():
            return self._problem.loss(self._outputs(own, moving, fixed, inputs), targets)

    def _loss_and_score(
        self,
        own: Named,
        moving: Named,
        fixed: Named,
        inputs: Tensor,
        targets: Tensor,
        *,
        lifted: bool,
    ) -> tuple[Tensor, Tensor]:
        with Stacking(Noise(()), lifted=lifted), self._autocast():
            outputs = self._outputs(own, moving, fixed, inputs)
            return self._problem.loss(outputs, targets), self._problem.score(outputs, targets)

    def _outputs(self, own: Named, moving: Named, fixed: Named, inputs: Tensor) -> Tensor:
        if self._numerics.channels_last and inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        outputs: Tensor = functional_call(self._model, {**own, **moving, **fixed}, (inputs,))
        return outputs

    def _autocast(self) -> AbstractContextManager[object]:
        if not self._numerics.amp:
            return nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16, cache_enabled=False)


def _count(own: Named) -> int:
    return len(next(iter(own.values())))


def _first(stacked: Named) -> dict[str, Tensor]:
    return {name: tensor[0] for name, tensor in stacked.items()}
